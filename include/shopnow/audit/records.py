"""Records of the ledger, Kafka and the raw tables in one schema, so that sets of them can be compared.

A record consists of its id (topic id, partition, offset) and its content (key, hash of the value).
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
        pa.field("key", pa.string(), metadata={"comment": "hexadecimal, as joins do not accept binary"}),
        pa.field("payload", pa.string(), metadata={"comment": "xxh3_128 of the value, hexadecimal"}),
    ]
)
RECORD_ID = ["topic_id", "partition", "offset"]
SOURCE_RECORD_ID = [f"source_{name}" for name in RECORD_ID]
"""The same columns as named in the events tables."""


def read_kafka(conf: Conf, topic: str, topic_id: str, ranges: Ranges) -> tuple[pa.Table, pa.Array]:
    """Read the topic's records in the ranges, and for each whether it has the generator's header.

    Every producer can send that header: which records are the generator's, the ledger says.
    """
    batches: list[pa.RecordBatch] = []
    has_header: list[bool] = []
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
        has_header += [PRODUCER_HEADER in (headers or ()) for headers in chunk.headers]
    return pa.Table.from_batches(batches, SCHEMA), pa.array(has_header, pa.bool_())


def read_raw(table: DeltaTable, topic_id: str, partition: int, start: int, end: int) -> pa.Table:
    """Read the rows of a raw table with offsets `[start, end)` of one partition."""
    columns = [*RECORD_ID, "key", "value"]
    predicate = (
        f'topic_id = \'{topic_id}\' AND partition = {partition} AND "offset" >= {start} AND "offset" < {end}'
    )
    rows = tables.read(table, columns, predicate)
    return pa.Table.from_batches([_batch(*(rows[column].to_pylist() for column in columns))], SCHEMA)


def from_ledger(rows: pa.Table) -> pa.Table:
    """Return the records that these ledger rows describe."""
    payload = pa.array([value.hex() for value in rows["payload_hash"].to_pylist()], pa.string())
    key = pa.array([value.hex() for value in rows["key"].to_pylist()], pa.string())
    return pa.table([rows["topic_id"], rows["partition"], rows["offset"], key, payload], schema=SCHEMA)


def first_difference(left: pa.Table, right: pa.Table, left_name: str, right_name: str) -> str | None:
    """Describe the first record, by id, that differs between the two sets; None if they are equal."""
    for rows, others, name, other_name in (
        (left, right, left_name, right_name),
        (right, left, right_name, left_name),
    ):
        if rows.group_by(RECORD_ID).aggregate([]).num_rows != rows.num_rows:
            return f"{name} has a duplicate offset"
        missing = anti_join(rows, others)
        if missing.num_rows:
            first = (
                missing.sort_by([(column, "ascending") for column in RECORD_ID]).slice(0, 1).to_pylist()[0]
            )
            record = f"partition {first['partition']} offset {first['offset']}"
            return (
                f"{record} is in {name}, but missing or different in {other_name} ({missing.num_rows} in all)"
            )
    return None


def anti_join(rows: pa.Table, others: pa.Table) -> pa.Table:
    """Return the rows that are not among the others; both have the same columns, including `partition`."""
    missing = [rows.slice(0, 0)]
    # One partition at a time, as joining a million rows takes gigabytes.
    for partition in pc.unique(rows["partition"]).to_pylist():
        in_partition = pc.field("partition") == partition
        left, right = rows.filter(in_partition), others.filter(in_partition)
        missing.append(left.join(right, keys=rows.column_names, join_type="left anti"))
    return pa.concat_tables(missing)


def _batch(topic_ids: list, partitions: list, offsets: list, keys: list, values: list) -> pa.RecordBatch:
    # Null must differ from the empty key and from the hash of the empty value.
    key = ["-" if raw_key is None else raw_key.hex() for raw_key in keys]
    payload = ["-" if value is None else xxhash.xxh3_128_hexdigest(value) for value in values]
    columns = (topic_ids, partitions, offsets, key, payload)
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
