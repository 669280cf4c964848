"""The ledger: the ground truth about the generated events, in its own Kafka topic.

Each transaction of the generator also writes one ledger row per record, with its position, its content and
its injected fault, and the demand by hour and product. The ledger therefore holds exactly the committed
records, and every KPI of the pipeline can be verified against it. A ledger record holds up to
`ROWS_PER_RECORD` rows as an Arrow IPC stream.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.broker.client import Conf
from shopnow.broker.topics import LEDGER
from shopnow.errors import UserError
from shopnow.schemas import TIMESTAMP
from shopnow.traffic import state_reader
from shopnow.traffic.ledger_totals import Demand
from shopnow.traffic.record_batch import RECORD_SCHEMA

SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        RECORD_SCHEMA.field("topic"),
        pa.field("topic_id", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        *list(RECORD_SCHEMA)[1:],
    ]
)
"""Schema of the rows about records: one per record sent."""

DEMAND_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("hour", TIMESTAMP, nullable=False, metadata={"comment": "start of the hour"}),
        pa.field("product_id", pa.string(), nullable=False),
        pa.field(
            "wanted",
            pa.int64(),
            nullable=False,
            metadata={"comment": "pieces that shoppers requested"},
        ),
        pa.field(
            "unmet",
            pa.int64(),
            nullable=False,
            metadata={"comment": "of these: pieces not in stock"},
        ),
        pa.field(
            "lost",
            pa.int64(),
            nullable=False,
            metadata={"comment": "of these: lost sales"},
        ),
    ]
)
"""Schema of the rows about demand: one per transaction, hour and product; their counts are additive."""

ROWS_PER_RECORD = 5_000
_ZSTD = pa.ipc.IpcWriteOptions(compression="zstd")


def build_rows(
    run_id: str,
    topic_ids: Mapping[str, str],
    records: pa.Table,
    partitions: Sequence[int],
    offsets: Sequence[int],
) -> pa.Table:
    """Add run, topic ids and acknowledged positions to the rows of a batch.

    Args:
        topic_ids: Kafka's topic id by topic name.
        records: rows of `RECORD_SCHEMA`.
        partitions: partition of each record.
        offsets: offset of each record.
    """
    topics = pa.array(list(topic_ids), pa.string())
    added = {
        "run_id": pa.repeat(pa.scalar(run_id), records.num_rows),
        "topic_id": pa.array(list(topic_ids.values()), pa.string()).take(
            pc.index_in(records["topic"], topics)
        ),
        "partition": pa.array(np.asarray(partitions, dtype=np.int32)),
        "offset": pa.array(np.asarray(offsets, dtype=np.int64)),
    }
    return pa.table([added[name] if name in added else records[name] for name in SCHEMA.names], schema=SCHEMA)


def build_demand_rows(run_id: str, demand: Mapping[tuple[int, str], Demand]) -> pa.Table:
    """Build the demand rows from demand by hour (its start in ms) and product id."""
    hours = pa.array([hour * 1000 for hour, _ in demand], pa.int64()).cast(TIMESTAMP)
    counts = [
        pa.array([getattr(product_demand, name) for product_demand in demand.values()], pa.int64())
        for name in Demand.__struct_fields__
    ]
    products = pa.array([product_id for _, product_id in demand], pa.string())
    return pa.table(
        [pa.repeat(pa.scalar(run_id), len(demand)), hours, products, *counts], schema=DEMAND_SCHEMA
    )


def encode(table: pa.Table) -> Iterator[bytes]:
    """Encode a table as values of ledger records, each below Kafka's default limit of 1 MB."""
    for start in range(0, table.num_rows, ROWS_PER_RECORD):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=_ZSTD) as writer:
            writer.write_table(table.slice(start, ROWS_PER_RECORD).combine_chunks())
        yield sink.getvalue().to_pybytes()


def read_batches(
    conf: Conf, upto: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield the record rows in write order, one table per ledger record, so that memory is bounded.

    Args:
        upto: exclusive end offset; see `end_offset`.
        columns: columns to return; all by default.

    Raises:
        UserError: the ledger does not exist, another version wrote it, or Kafka does not respond.
    """
    return _tables(conf, SCHEMA, upto, columns)


def read(conf: Conf, upto: int | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Return all record rows as one table; arguments as of `read_batches`."""
    empty = SCHEMA.empty_table().select(columns or SCHEMA.names)
    return pa.concat_tables([empty, *read_batches(conf, upto, columns)])


def read_demand(conf: Conf, upto: int | None = None) -> pa.Table:
    """Return all demand rows as one table."""
    return pa.concat_tables([DEMAND_SCHEMA.empty_table(), *_tables(conf, DEMAND_SCHEMA, upto, None)])


def end_offset(conf: Conf) -> int:
    """Return the ledger's last stable offset; passing it as `upto` later reads the same rows."""
    return state_reader.end_offset(conf, LEDGER)


def _tables(
    conf: Conf, schema: pa.Schema, upto: int | None, columns: Sequence[str] | None
) -> Iterator[pa.Table]:
    for _, value in state_reader.read(conf, LEDGER, upto):
        if value is None:
            continue
        stream = pa.ipc.open_stream(value)
        if stream.schema not in {SCHEMA, DEMAND_SCHEMA}:
            raise UserError(
                "the topic ledger was written by an incompatible version of ShopNow+: "
                "start with a new SHOPNOW_DATA_DIR, or recreate the topics on an external Kafka"
            )
        if stream.schema == schema:
            table = stream.read_all()
            yield table.select(columns) if columns else table
