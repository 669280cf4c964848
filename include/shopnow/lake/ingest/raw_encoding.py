"""Kafka records as rows of `raw/{topic}`, in Arrow columns."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shopnow.broker.reader import Chunk, Header
from shopnow.lake.delta.checksum import digest
from shopnow.lake.ingest.receipts import PartitionReceipt
from shopnow.schemas import RAW
from shopnow.validation import Decode, check_records

# The partition column is in the file's path, not in the file; a column that a file lacks is read as null.
FILE_SCHEMA = pa.schema([field for field in RAW if field.name not in {"correction", "ingest_date"}])

_HEADERS = FILE_SCHEMA.field("headers").type
_TIMESTAMP = FILE_SCHEMA.field("timestamp").type
_MAX_TIMESTAMP_MS = 253_402_300_799_999  # the end of the year 9999, the latest date that can be formatted


def encode(topic_id: str, chunk: Chunk, decode: Decode) -> tuple[pa.RecordBatch, PartitionReceipt]:
    """Return a chunk as rows of raw without `ingest_date`, and the chunk's receipt.

    An invalid record is a row like any other, with its `problem`.
    """
    length = len(chunk.offsets)
    values = pa.array(chunk.values, pa.binary())
    offsets = np.fromiter(chunk.offsets, np.int64, length)  # twice as fast as an array of the list
    timestamps = np.fromiter(chunk.timestamps, np.int64, length)
    checked = check_records(decode, chunk.values, values, chunk.headers, timestamps)
    rows = pa.record_batch(
        [
            pa.repeat(pa.scalar(topic_id), length),
            pa.repeat(pa.scalar(chunk.partition, pa.int32()), length),
            pa.array(offsets),
            _timestamps(timestamps),
            pa.array(chunk.keys, pa.binary()),
            values,
            _headers(chunk.headers),
            pa.array(checked.problems, pa.string()) if checked.problems else pa.nulls(length, pa.string()),
            pa.array(checked.payloads, pa.binary()) if checked.payloads else pa.nulls(length, pa.binary()),
        ],
        schema=FILE_SCHEMA,
    )
    receipt = PartitionReceipt(
        start=chunk.offsets[0],
        end=chunk.offsets[-1] + 1,
        digest=digest(chunk.partition, offsets, chunk.keys, chunk.values),
        quarantined=length - checked.problems.count(None) if checked.problems else 0,
        first_event=checked.first_event,
        last_event=checked.last_event,
    )
    return rows, receipt


def _timestamps(stamps: np.ndarray) -> pa.Array:
    out_of_range = (stamps < 0) | (stamps > _MAX_TIMESTAMP_MS)
    return pa.array(stamps * 1000, mask=out_of_range if out_of_range.any() else None).cast(_TIMESTAMP)


def _headers(headers: Sequence[list[Header] | None]) -> pa.Array:
    return pa.array(headers, _HEADERS) if any(headers) else pa.nulls(len(headers), _HEADERS)
