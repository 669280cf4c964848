"""The records of a plan in batches for a file each, checked on the way."""

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

import pyarrow as pa

from shopnow import validation
from shopnow.broker import reader
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import Topic
from shopnow.failpoints import failpoint
from shopnow.lake.delta import raw_encoding
from shopnow.lake.ingest import receipts
from shopnow.lake.ingest.plan import Plan
from shopnow.lake.ingest.receipts import Part, Parts

FEW_PROBLEMS = 10
"""So many bad records never stop a run, whatever their share."""


@dataclass(frozen=True)
class Batch:
    """The rows of one file, none if only markers were passed over, and the parts of the receipt that they are."""

    rows: list[pa.RecordBatch]
    parts: Parts


class TooManyProblems(UserError):
    """More of the records are no valid events than may be: more likely a mistake in a producer or in the definitions than bad luck."""

    def __init__(self, topic: str, rows: int, reasons: Counter[str], limit: float) -> None:
        super().__init__(topic, rows, reasons, limit)
        self.topic, self.rows, self.reasons, self.limit = topic, rows, reasons, limit

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in self.reasons.most_common(3))
        return (
            f"topic {self.topic}: {self.reasons.total():,} of {self.rows:,} records are not valid ({reasons}), more than the limit of "
            f"{self.limit:.0%}; they stay in Kafka. Correct the producer or the event definitions and run again, or, to land them into "
            f'quarantine all the same, run land_events with {{"quarantine_limit": 1}}'
        )


def read(
    conf: Conf, topic: Topic, plan: Plan, batch_rows: int, batch_bytes: int, queue_bytes: int
) -> Generator[Batch]:
    """The records of the plan in batches for a file each; their parts follow each other and cover its ranges whole."""
    decode = topic.decoder().decode
    positions = {partition: start for partition, (start, _) in plan.ranges.items()}
    parts: Parts = {}
    rows: list[pa.RecordBatch] = []
    count = size = 0
    # Of a long backlog the first batch is small: it is soon committed, and a second run at work on the same sees it early.
    wanted = (
        batch_rows
        if sum(end - start for start, end in plan.ranges.values()) <= batch_rows
        else max(batch_rows // 16, 1)
    )
    for chunk in reader.read(
        conf, plan.kafka_topic, plan.ranges, chunk=min(reader.CHUNK_RECORDS, wanted), queue_bytes=queue_bytes
    ):
        encoded, part = raw_encoding.rows(plan.topic_id, chunk, decode)
        part = replace(part, start=positions[chunk.partition])
        positions[chunk.partition] = part.end
        parts = receipts.merged([parts, {chunk.partition: part}])
        rows.append(encoded)
        count += encoded.num_rows
        size += encoded.nbytes
        if count >= wanted or size >= batch_bytes:
            failpoint("land:read")
            yield Batch(rows, parts)
            parts, rows, count, size, wanted = {}, [], 0, 0, batch_rows
    rest = {partition: Part(position, plan.ranges[partition][1]) for partition, position in positions.items()}
    parts = receipts.merged(
        [parts, {partition: part for partition, part in rest.items() if part.start < part.end}]
    )
    if parts:
        failpoint("land:read")
        yield Batch(rows, parts)


def enforce_quarantine_limit(limit: float, topic: Topic, batches: Generator[Batch]) -> Generator[Batch]:
    """The batches, as long as the share of the run's records that are no valid events is within the limit."""
    rows = bad = 0
    reasons: Counter[str] = Counter()
    with closing(batches):
        for batch in batches:
            rows += sum(part.rows for part in batch.parts.values())
            quarantined = sum(part.quarantined for part in batch.parts.values())
            if quarantined:
                bad += quarantined
                reasons += validation.count_reasons(each["problem"] for each in batch.rows)
            if bad >= FEW_PROBLEMS and bad > limit * rows:
                raise TooManyProblems(topic.name, rows, reasons, limit)
            yield batch
