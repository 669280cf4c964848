"""Typed events decoded from raw records in this process, without Spark.

A few records cost less here than planning an expression of hundreds of nodes does, and the decoder is the
one that found them valid. Sail's JSON parser would not do: it is off by one bit for numbers of many digits,
and refuses numbers and nesting that are valid in fields of other producers.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
from deltalake import DeltaTable

from shopnow import schemas
from shopnow.events import Topic
from shopnow.lake.delta import tables
from shopnow.lake.lineage.lineage import OffsetRange
from shopnow.schemas import PAYLOADS
from shopnow.validation import Decode, read_valid

_ORIGIN = ("topic_id", "partition", "offset")


def read(raw: DeltaTable, topic: Topic, ranges: Sequence[OffsetRange] | None) -> pa.Table:
    """Return the events of a topic's valid records in these offset ranges, all records if None.

    Returns:
        Rows of `events/{topic}`, with duplicates, in no particular order.
    """
    known = {field.name for field in raw.schema().fields}  # a table of an older version lacks some
    columns = [*_ORIGIN, *(name for name in PAYLOADS if name in known)]
    condition = "problem IS NULL" + ("" if ranges is None else f" AND ({_in_ranges(ranges)})")
    batches = tables.batches(raw, columns, condition)
    return pa.concat_tables(
        [schemas.events(topic).empty_table(), *(decode(batch, topic) for batch in batches)]
    )


def decode(records: pa.RecordBatch, topic: Topic) -> pa.Table:
    """Return the events of valid records, rows of `raw/{topic}` with at least origin and payloads."""
    decoder = topic.decoder()
    rows = [_row(record, decoder.decode) for record in records.to_pylist()]
    return pa.Table.from_pylist(rows, schemas.events(topic))


def _in_ranges(ranges: Sequence[OffsetRange]) -> str:
    return " OR ".join(
        f"(topic_id = '{range_.topic_id}' AND partition = {range_.partition} "
        f"AND offset >= {range_.start} AND offset < {range_.end})"
        for range_ in ranges
    )


def _row(record: Mapping[str, Any], decoder: Decode) -> dict[str, Any]:
    payload = next(value for name in PAYLOADS if (value := record.get(name)) is not None)
    event = read_valid(decoder, payload)
    origin = {f"source_{name}": record[name] for name in _ORIGIN}
    fields = msgspec.to_builtins(event, builtin_types=(datetime,))
    return {**fields, **origin, "event_date": event.event_time.astimezone(UTC).date()}
