"""The ledger: what the generator truly did, in a Kafka topic of its own.

Each transaction of the generator carries, beside its records, one row for each that says where the broker put it, what it
tells of and what is wrong with it on purpose; and what shoppers wanted, by hour and product. So the ledger holds exactly the
records that were committed, and every figure of the pipeline can be checked against it. A record of the topic holds up to
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
"""A row for each record that was sent."""

DEMAND_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("hour", TIMESTAMP, nullable=False, metadata={"comment": "its start"}),
        pa.field("product_id", pa.string(), nullable=False),
        pa.field(
            "wanted",
            pa.int64(),
            nullable=False,
            metadata={"comment": "pieces that shoppers wanted in their carts"},
        ),
        pa.field(
            "unmet",
            pa.int64(),
            nullable=False,
            metadata={"comment": "pieces of those that were not on the shelf"},
        ),
        pa.field(
            "lost",
            pa.int64(),
            nullable=False,
            metadata={"comment": "pieces of those that would have been paid for"},
        ),
    ]
)
"""A row for each hour and product that anyone wanted, of each transaction: to be added up."""

ROWS_PER_RECORD = 5_000
_ZSTD = pa.ipc.IpcWriteOptions(compression="zstd")


def build_rows(
    run_id: str,
    topic_ids: Mapping[str, str],
    told: pa.Table,
    partitions: Sequence[int],
    offsets: Sequence[int],
) -> pa.Table:
    """The ledger's rows of what is `told` of records (see `TOLD`) and, one for one, the places they were acknowledged at."""
    topics = pa.array(list(topic_ids), pa.string())
    places = {
        "run_id": pa.repeat(pa.scalar(run_id), told.num_rows),
        "topic_id": pa.array(list(topic_ids.values()), pa.string()).take(pc.index_in(told["topic"], topics)),
        "partition": pa.array(np.asarray(partitions, dtype=np.int32)),
        "offset": pa.array(np.asarray(offsets, dtype=np.int64)),
    }
    return pa.table([places[name] if name in places else told[name] for name in SCHEMA.names], schema=SCHEMA)


def build_demand_rows(run_id: str, demand: Mapping[tuple[int, str], Demand]) -> pa.Table:
    """The ledger's rows of demand by hour (its start in ms) and product id."""
    hours = pa.array([hour * 1000 for hour, _ in demand], pa.int64()).cast(TIMESTAMP)
    counts = [
        pa.array([getattr(each, name) for each in demand.values()], pa.int64())
        for name in Demand.__struct_fields__
    ]
    products = pa.array([product_id for _, product_id in demand], pa.string())
    return pa.table(
        [pa.repeat(pa.scalar(run_id), len(demand)), hours, products, *counts], schema=DEMAND_SCHEMA
    )


def encode(table: pa.Table) -> Iterator[bytes]:
    """The table as values of ledger records, each below Kafka's usual limit of 1 MB."""
    for start in range(0, table.num_rows, ROWS_PER_RECORD):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=_ZSTD) as writer:
            writer.write_table(table.slice(start, ROWS_PER_RECORD).combine_chunks())
        yield sink.getvalue().to_pybytes()


def read_batches(
    conf: Conf, upto: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """The ledger's rows, in the order they were written, a table per record: memory is bounded, however long the ledger is.

    Args:
        upto: only records before this offset; see `end`.
        columns: only these; all by default.

    Raises:
        UserError: there is no ledger, it was written by another version of the generator, or Kafka does not answer.
    """
    return _tables(conf, SCHEMA, upto, columns)


def read(conf: Conf, upto: int | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """All of the ledger's rows as one table; see `batches`."""
    found = list(read_batches(conf, upto, columns))
    nothing = SCHEMA.empty_table().select(columns or SCHEMA.names)
    return pa.concat_tables([nothing, *found])


def read_demand(conf: Conf, upto: int | None = None) -> pa.Table:
    """All of the ledger's rows about demand, as one table."""
    return pa.concat_tables([DEMAND_SCHEMA.empty_table(), *_tables(conf, DEMAND_SCHEMA, upto, None)])


def end_offset(conf: Conf) -> int:
    """The offset after the last committed ledger record: pass it as `upto` to see later what there is now."""
    return state_reader.end_offset(conf, LEDGER)


def _tables(
    conf: Conf, wanted: pa.Schema, upto: int | None, columns: Sequence[str] | None
) -> Iterator[pa.Table]:
    for _, value in state_reader.read(conf, LEDGER, upto):
        if value is None:
            continue
        stream = pa.ipc.open_stream(value)
        if stream.schema not in {SCHEMA, DEMAND_SCHEMA}:
            raise UserError(
                "the topic ledger was written by another version of ShopNow+, which told of other things: "
                "begin anew with another SHOPNOW_DATA_DIR, or, on a Kafka of your own, with topics made anew"
            )
        if stream.schema == wanted:
            table = stream.read_all()
            yield table.select(columns) if columns else table
