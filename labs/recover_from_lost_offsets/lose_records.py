"""Send an order and delete its partition's records from Kafka before they land.

Pause the DAG land_events first, and let no traffic run: whatever has not landed of the partition is lost.
"""

from confluent_kafka import Producer, TopicPartition

from shopnow.broker import client
from shopnow.broker.client import Conf
from shopnow.cli.endpoints import endpoints

ORDER = "o-lab-9"


def lose_records(conf: Conf) -> TopicPartition:
    """Return the partition, with the offset after the last deleted record."""
    written: list[TopicPartition] = []
    producer = Producer(conf)
    producer.produce(
        "orders",
        b"this record is deleted before it lands",
        ORDER.encode(),
        on_delivery=lambda error, message: written.append(
            TopicPartition("orders", message.partition(), message.offset() + 1)
        ),
    )
    producer.flush()
    admin = client.admin_client(conf)  # must outlive the future
    for future in admin.delete_records(written).values():
        future.result()
    return written[0]


if __name__ == "__main__":
    conf, _ = endpoints()
    deleted = lose_records(conf)
    print(f"orders, partition {deleted.partition}: Kafka has no record before offset {deleted.offset}")
