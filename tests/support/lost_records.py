"""Records that Kafka loses before they land."""

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec


def send_records_that_are_no_events(bootstrap_servers: str) -> range:
    """Send such records to orders and views; returns the offsets of views/0 that Kafka then deletes."""
    conf = {"bootstrap.servers": bootstrap_servers}
    producer = Producer(conf)
    for value in (b"{", b"", None, b'{"event_type": "order_placed"}', b"\xff\xfe"):
        producer.produce("orders", value, key=b"poison")
    for number in range(6):
        producer.produce("views", f"not an event {number}", partition=0)
    assert producer.flush(30) == 0
    admin, views = AdminClient(conf), TopicPartition("views", 0)
    end = admin.list_offsets({views: OffsetSpec.latest()})[views].result().offset
    deleted = TopicPartition("views", 0, end - 2)
    admin.delete_records([deleted])[deleted].result()
    return range(end - 6, end - 2)
