"""Read the records of a plan in batches of one file each, and validate them."""

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
from shopnow.lake.ingest import raw_encoding, receipts
from shopnow.lake.ingest.plan import Plan
from shopnow.lake.ingest.receipts import PartitionReceipt, Receipt

MIN_PROBLEMS = 10
"""Fewer invalid records than this never stop a run, whatever their share."""


@dataclass(frozen=True)
class Batch:
    """The rows of one file, none if only transaction markers were read, and their receipt."""

    rows: list[pa.RecordBatch]
    receipt: Receipt


class QuarantineLimitExceeded(UserError):
    """Too many records are invalid: probably a mistake in a producer or in the event definitions."""

    def __init__(self, topic: str, rows: int, reasons: Counter[str], limit: float) -> None:
        super().__init__(topic, rows, reasons, limit)
        self.topic, self.rows, self.reasons, self.limit = topic, rows, reasons, limit

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in self.reasons.most_common(3))
        return (
            f"topic {self.topic}: {self.reasons.total():,} of {self.rows:,} records are not valid "
            f"({reasons}), more than the limit of {self.limit:.0%}; records of batches that are already "
            "committed stay in the lake, the others in Kafka. Correct the producer or the event definitions "
            "and run again. To land invalid records in quarantine instead, run land_events with "
            '{"quarantine_limit": 1}'
        )


def read(
    conf: Conf, topic: Topic, plan: Plan, batch_rows: int, batch_bytes: int, queue_bytes: int
) -> Generator[Batch]:
    """Yield the records of the plan in batches of one file each.

    The receipts of the batches are consecutive and cover all ranges of the plan.
    """
    decode = topic.decoder().decode
    positions = {partition: start for partition, (start, _) in plan.ranges.items()}
    receipt: Receipt = {}
    rows: list[pa.RecordBatch] = []
    count = size = 0
    # The first batch of a long backlog is small: it is committed early, so a concurrent run soon conflicts.
    max_rows = (
        batch_rows
        if sum(end - start for start, end in plan.ranges.values()) <= batch_rows
        else max(batch_rows // 16, 1)
    )
    for chunk in reader.read(
        conf,
        plan.kafka_topic,
        plan.ranges,
        chunk=min(reader.CHUNK_RECORDS, max_rows),
        queue_bytes=queue_bytes,
    ):
        encoded, part = raw_encoding.encode(plan.topic_id, chunk, decode)
        part = replace(part, start=positions[chunk.partition])
        positions[chunk.partition] = part.end
        receipt = receipts.merge([receipt, {chunk.partition: part}])
        rows.append(encoded)
        count += encoded.num_rows
        size += encoded.nbytes
        if count >= max_rows or size >= batch_bytes:
            failpoint("land:read")
            yield Batch(rows, receipt)
            receipt, rows, count, size, max_rows = {}, [], 0, 0, batch_rows
    trailing_markers = {
        partition: PartitionReceipt(position, plan.ranges[partition][1])
        for partition, position in positions.items()
        if position < plan.ranges[partition][1]
    }
    receipt = receipts.merge([receipt, trailing_markers])
    if receipt:
        failpoint("land:read")
        yield Batch(rows, receipt)


def enforce_quarantine_limit(limit: float, topic: Topic, batches: Generator[Batch]) -> Generator[Batch]:
    """Yield the batches while the run's share of invalid records is at most the limit, 0 to 1.

    The share is that of all records read so far, checked before each batch is yielded. Fewer than
    `MIN_PROBLEMS` invalid records never exceed the limit.

    Raises:
        QuarantineLimitExceeded: the share is over the limit; the batch that exceeds it is not yielded.
    """
    rows = invalid = 0
    reasons: Counter[str] = Counter()
    with closing(batches):
        for batch in batches:
            rows += sum(part.rows for part in batch.receipt.values())
            quarantined = sum(part.quarantined for part in batch.receipt.values())
            if quarantined:
                invalid += quarantined
                reasons += validation.count_reasons(encoded["problem"] for encoded in batch.rows)
            if invalid >= MIN_PROBLEMS and invalid > limit * rows:
                raise QuarantineLimitExceeded(topic.name, rows, reasons, limit)
            yield batch
