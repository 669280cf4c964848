"""Read the records of a plan in batches of one file each, and validate them."""

from collections.abc import Generator
from dataclasses import dataclass, replace

import pyarrow as pa

from shopnow.broker import reader
from shopnow.broker.client import Conf
from shopnow.events import Topic
from shopnow.failpoints import failpoint
from shopnow.lake.ingest import raw_encoding, receipts
from shopnow.lake.ingest.plan import Plan
from shopnow.lake.ingest.receipts import PartitionReceipt, Receipt


@dataclass(frozen=True)
class Batch:
    """The rows of one file, none if only transaction markers were read, and their receipt."""

    rows: list[pa.RecordBatch]
    receipt: Receipt


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
