"""A topic of a test's own, and what the broker acknowledged of it."""

from collections.abc import Sequence

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from factories.events import payment_record
from faults import oracle, worker
from faults.oracle import Records
from faults.services import Services
from shopnow.broker import topics
from shopnow.events import TOPICS
from shopnow.lake.ingest import landing
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.landing import LandingResult
from support import isolated_process

PAYMENTS = TOPICS["payments"]


class Source:
    """A topic of a test's own, a lake for it, and every record the broker acknowledged and committed."""

    def __init__(self, services: Services, name: str) -> None:
        self.conf, self.lake, self.name = services.conf, services.new_lake(), name
        self.sent: Records = Records()

    def send(self, count: int, producer: Producer | None = None, partition: int = -1) -> Records:
        """Sends payments; with a producer of one's own they count only when `sent` is given them."""
        return self.send_values([payment_record(number) for number in range(count)], producer, partition)

    def send_values(
        self, values: Sequence[bytes | None], producer: Producer | None = None, partition: int = -1
    ) -> Records:
        topic_id = topics.topic_id(self.conf, self.name)
        delivered: Records = Records()

        def note(error: object, message: object) -> None:
            assert error is None
            delivered[topic_id, message.partition(), message.offset(), oracle.hash_of(message.value())] += 1  # type: ignore[attr-defined]

        through = producer or Producer({**self.conf, "message.max.bytes": topics.MAX_RECORD_BYTES})
        for value in values:
            through.produce(self.name, value, partition=partition, on_delivery=note)
        assert through.flush(30) == 0
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

    def land_without(self, protection: str) -> None:
        """Lands what is new in a process that a protection is taken out of: one of `protections.mutations`."""
        run = {"conf": self.conf, "lake": self.lake, "topics": [PAYMENTS.name], "kafka_topic": self.name}
        ended = worker.run("land", mutation=protection, **run)
        assert ended.code == 0, ended.errors

    def score(self) -> oracle.Score:
        return oracle.score(self.sent, oracle.records_in_raw(self.lake, "payments"))

    def expire(self, partition: int, before: int) -> None:
        admin, upto = AdminClient(self.conf), TopicPartition(self.name, partition, before)
        admin.delete_records([upto])[upto].result()

    def expired(self, partition: int, start: int, end: int) -> Records:
        """What was sent to these offsets."""
        return Records(
            {record: 1 for record in self.sent if record[1] == partition and start <= record[2] < end}
        )
