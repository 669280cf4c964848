"""Records as the ledger, Kafka and the raw tables each know them, in one form, so that sets of them can be compared.

A record is its place (topic id, partition, offset) and its content (key, hash of the value).
"""

import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from deltalake import DeltaTable

from shopnow.broker import reader
from shopnow.broker.client import Conf
from shopnow.broker.reader import Ranges
from shopnow.lake.delta import tables
from shopnow.traffic.state_reader import PRODUCER_HEADER

SCHEMA = pa.schema(
    [
        pa.field("topic_id", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("key", pa.string(), metadata={"comment": "hexadecimal; joins take no binary"}),
        pa.field("payload", pa.string(), metadata={"comment": "hexadecimal xxh3_128 of the value"}),
    ]
)
PLACE = ["topic_id", "partition", "offset"]
SOURCE_PLACE = [f"source_{name}" for name in PLACE]
"""The same as columns of the events tables."""


def of_kafka(conf: Conf, topic: str, topic_id: str, ranges: Ranges) -> tuple[pa.Table, pa.Array]:
    """The topic's records in the ranges, and for each whether the generator made it."""
    batches: list[pa.RecordBatch] = []
    ours: list[bool] = []
    for chunk in reader.read(conf, topic, ranges):
        batches.append(
            _batch(
                [topic_id] * len(chunk.offsets),
                [chunk.partition] * len(chunk.offsets),
                chunk.offsets,
                chunk.keys,
                chunk.values,
            )
        )
        ours += [PRODUCER_HEADER in (headers or ()) for headers in chunk.headers]
    return pa.Table.from_batches(batches, SCHEMA), pa.array(ours, pa.bool_())


def of_raw(table: DeltaTable, topic_id: str, partition: int, start: int, end: int) -> pa.Table:
    """The rows of a raw table that are from offsets `[start, end)` of one partition."""
    columns = [*PLACE, "key", "value"]
    within = (
        f'topic_id = \'{topic_id}\' AND partition = {partition} AND "offset" >= {start} AND "offset" < {end}'
    )
    rows = tables.read(table, columns, within)
    return pa.Table.from_batches([_batch(*(rows[column].to_pylist() for column in columns))], SCHEMA)


def of_ledger(rows: pa.Table) -> pa.Table:
    """The records that these ledger rows tell of."""
    payload = pa.array([value.hex() for value in rows["payload_hash"].to_pylist()], pa.string())
    key = pa.array([value.hex() for value in rows["key"].to_pylist()], pa.string())
    return pa.table([rows["topic_id"], rows["partition"], rows["offset"], key, payload], schema=SCHEMA)


def difference(left: pa.Table, right: pa.Table, left_name: str, right_name: str) -> str | None:
    """The first record, by place, that is not the same in both; None if the two sets are equal."""
    for one, other, here, there in (
        (left, right, left_name, right_name),
        (right, left, right_name, left_name),
    ):
        if one.group_by(PLACE).aggregate([]).num_rows != one.num_rows:
            return f"{here} has an offset twice"
        missing = without(one, other)
        if missing.num_rows:
            first = missing.sort_by([(column, "ascending") for column in PLACE]).slice(0, 1).to_pylist()[0]
            return f"partition {first['partition']} offset {first['offset']} is in {here}, not so in {there} ({missing.num_rows} such)"
    return None


def without(rows: pa.Table, others: pa.Table) -> pa.Table:
    """The rows that are not among the others; both have the same columns, `partition` among them."""
    found = [rows.slice(0, 0)]
    # A partition at a time: to join a million takes gigabytes.
    for partition in pc.unique(rows["partition"]).to_pylist():
        mine, theirs = (each.filter(pc.field("partition") == partition) for each in (rows, others))
        found.append(mine.join(theirs, keys=rows.column_names, join_type="left anti"))
    return pa.concat_tables(found)


def _batch(topic_ids: list, partitions: list, offsets: list, keys: list, values: list) -> pa.RecordBatch:
    # A null is neither the empty key nor the hash of an empty value.
    key = ["-" if each is None else each.hex() for each in keys]
    payload = ["-" if each is None else xxhash.xxh3_128_hexdigest(each) for each in values]
    columns = (topic_ids, partitions, offsets, key, payload)
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
