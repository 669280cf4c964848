"""A topic of one test and the records that the broker acknowledged in it."""

from collections.abc import Sequence

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from factories.events import payment_record
from faults import oracle, worker
from faults.oracle import Records
from faults.services import Services
from shopnow.broker import topic_state, topics
from shopnow.events import TOPICS
from shopnow.lake.ingest import landing
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.landing import LandingResult
from support import isolated_process

PAYMENTS = TOPICS["payments"]


class Source:
    """A topic, a lake for it, and every record that the broker acknowledged and committed."""

    def __init__(self, services: Services, name: str) -> None:
        self.conf, self.lake, self.name = services.conf, services.new_lake(), name
        self.sent: Records = Records()

    def send(self, count: int, producer: Producer | None = None, partition: int = -1) -> Records:
        """Send payments; with a `producer`, the caller adds them to `sent` once they are committed."""
        return self.send_values([payment_record(number) for number in range(count)], producer, partition)

    def send_values(
        self, values: Sequence[bytes | None], producer: Producer | None = None, partition: int = -1
    ) -> Records:
        topic_id = topic_state.topic_id(self.conf, self.name)
        delivered: Records = Records()

        def record_delivery(error: object, message: object) -> None:
            assert error is None
            delivered[topic_id, message.partition(), message.offset(), oracle.hash_of(message.value())] += 1  # type: ignore[attr-defined]

        active_producer = producer or Producer({**self.conf, "message.max.bytes": topics.MAX_RECORD_BYTES})
        for value in values:
            active_producer.produce(self.name, value, partition=partition, on_delivery=record_delivery)
        assert active_producer.flush(30) == 0
        if producer is None:
            self.sent += delivered
        return delivered

    def land(self, acknowledgement: Acknowledgement | None = None) -> LandingResult:
        return isolated_process.call(
            landing.land,
            self.conf,
            self.lake,
            PAYMENTS,
            kafka_topic=self.name,
            acknowledgement=acknowledgement,
        )

    def land_with_mutation(self, mutation: str) -> None:
        """Land what is new in a process to which this mutation of `protections.mutations` is applied."""
        run = {"conf": self.conf, "lake": self.lake, "topics": [PAYMENTS.name], "kafka_topic": self.name}
        ended = worker.run("land", mutation=mutation, **run)
        assert ended.code == 0, ended.errors

    def score(self) -> oracle.Score:
        """Score the raw table against the records sent."""
        return oracle.score(self.sent, oracle.records_in_raw(self.lake, "payments"))

    def expire(self, partition: int, before: int) -> None:
        """Delete the records of a partition before an offset, as retention does."""
        admin, end = AdminClient(self.conf), TopicPartition(self.name, partition, before)
        admin.delete_records([end])[end].result()

    def expired(self, partition: int, start: int, end: int) -> Records:
        """Return the records sent to the offsets [start, end)."""
        return Records(
            {record: 1 for record in self.sent if record[1] == partition and start <= record[2] < end}
        )
