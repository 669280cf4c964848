"""The ledger: what the generator truly did, in a Kafka topic of its own.

Each transaction of the generator carries, beside its events, one row per event that says where the broker put it and
what it was worth. So the ledger holds exactly the events that were committed, and every figure of the pipeline can be
checked against it. A record of the topic holds the rows of up to `ROWS_PER_RECORD` events as an Arrow IPC stream.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from shopnow import events
from shopnow.broker.client import Conf
from shopnow.broker.topics import LEDGER
from shopnow.schemas import TIMESTAMP
from shopnow.traffic import records

SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("topic_id", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("key", pa.binary(), nullable=False),
        pa.field("payload_hash", pa.binary(16), nullable=False, metadata={"comment": "xxh3_128 of the record's value"}),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("event_time", TIMESTAMP, nullable=False),
        pa.field("order_id", pa.string(), metadata={"comment": "of orders, payments, deliveries and stock_sold"}),
        pa.field("product_id", pa.string(), metadata={"comment": "of stock events"}),
        pa.field("quantity", pa.int64(), metadata={"comment": "pieces of an order_placed, quantity_change of a stock event"}),
        pa.field("quantity_after", pa.int64(), metadata={"comment": "of stock events"}),
        pa.field("amount_cents", pa.int64(), metadata={"comment": "of an order_placed before discount, of a payment"}),
    ]
)

ROWS_PER_RECORD = 5_000
_ZSTD = pa.ipc.IpcWriteOptions(compression="zstd")

_TAGS = {type_: type_.__struct_config__.tag for type_ in events.TOPIC_OF}

_NO_FACTS = (None, None, None, None, None)
_FACTS: dict[type[events.Event], Callable[[Any], tuple[Any, ...]]] = {
    events.OrderPlaced: lambda e: (
        e.order_id,
        None,
        sum(item.quantity for item in e.items),
        None,
        sum(item.quantity * item.unit_price_cents for item in e.items),
    ),
    events.OrderCancelled: lambda e: (e.order_id, None, None, None, None),
    **dict.fromkeys(events.TOPICS["payments"].types, lambda e: (e.order_id, None, None, None, e.amount_cents)),
    **dict.fromkeys(events.TOPICS["deliveries"].types, lambda e: (e.order_id, None, None, None, None)),
    **dict.fromkeys(events.TOPICS["stock"].types, lambda e: (None, e.product_id, e.quantity_change, e.quantity_after, None)),
    events.StockSold: lambda e: (e.order_id, e.product_id, e.quantity_change, e.quantity_after, None),
}


def rows(run_id: str, topic_ids: Mapping[str, str], sent: Sequence[events.Event], delivered: Sequence[Any]) -> pa.Table:
    """The ledger rows of events and, one for one, the Kafka messages they were acknowledged as."""
    facts = list(zip(*(_FACTS.get(type(event), _no_facts)(event) for event in sent), strict=True))
    topics = [message.topic() for message in delivered]
    columns = [
        [run_id] * len(sent),
        topics,
        [topic_ids[topic] for topic in topics],
        [message.partition() for message in delivered],
        [message.offset() for message in delivered],
        [message.key() for message in delivered],
        [xxhash.xxh3_128_digest(message.value()) for message in delivered],
        [event.event_id for event in sent],
        [_TAGS[type(event)] for event in sent],
        [event.event_time for event in sent],
        *facts,
    ]
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def _no_facts(_: events.Event) -> tuple[None, ...]:
    return _NO_FACTS


def encode(table: pa.Table) -> Iterator[bytes]:
    """The table as values of ledger records, each below Kafka's usual limit of 1 MB."""
    for start in range(0, table.num_rows, ROWS_PER_RECORD):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, SCHEMA, options=_ZSTD) as writer:
            writer.write_table(table.slice(start, ROWS_PER_RECORD).combine_chunks())
        yield sink.getvalue().to_pybytes()


def batches(conf: Conf, upto: int | None = None) -> Iterator[pa.Table]:
    """The ledger's rows, in the order they were written, a table per record; only records before offset `upto` if given."""
    for _, value in records.read(conf, LEDGER, upto):
        if value is not None:
            yield pa.ipc.open_stream(value).read_all()


def read(conf: Conf, upto: int | None = None) -> pa.Table:
    """All of the ledger's rows as one table; see `batches`, `end`."""
    return pa.concat_tables([SCHEMA.empty_table(), *batches(conf, upto)])


def end(conf: Conf) -> int:
    """The offset after the last committed ledger record: pass it as `upto` to see later what there is now."""
    return records.end(conf, LEDGER)


class Day(msgspec.Struct, kw_only=True):
    """Orders by order date; payments and refunds each by their own. Dates are UTC."""

    orders: int = 0
    units: int = 0
    gmv_cents: int = 0
    payments_succeeded_cents: int = 0
    refunds_cents: int = 0

    @property
    def net_revenue_cents(self) -> int:
        return self.payments_succeeded_cents - self.refunds_cents


class Totals(Day, kw_only=True):
    """The truth, in figures."""

    events: dict[str, dict[str, int]]
    """How many, by topic and event type."""
    days: dict[date, Day]
    closing_stock: dict[str, int]
    """By product id: everything ever put on the shelf less everything taken off it."""


def totals(table: pa.Table) -> Totals:
    """The figures that follow from these ledger rows alone."""
    events_: dict[str, dict[str, int]] = {}
    days: dict[date, Day] = {}
    groups = table.select(["topic", "event_type", "quantity", "amount_cents"]).append_column(
        "date", pc.cast(table["event_time"], pa.date32())
    )
    sums = groups.group_by(["topic", "event_type", "date"]).aggregate([([], "count_all"), ("quantity", "sum"), ("amount_cents", "sum")])
    for row in sums.to_pylist():
        types = events_.setdefault(row["topic"], {})
        types[row["event_type"]] = types.get(row["event_type"], 0) + row["count_all"]
        match row["event_type"]:
            case "order_placed":
                day = days.setdefault(row["date"], Day())
                day.orders, day.units, day.gmv_cents = row["count_all"], row["quantity_sum"], row["amount_cents_sum"]
            case "payment_succeeded":
                days.setdefault(row["date"], Day()).payments_succeeded_cents = row["amount_cents_sum"]
            case "payment_refunded":
                days.setdefault(row["date"], Day()).refunds_cents = row["amount_cents_sum"]
    stock = table.filter(pc.is_valid(table["product_id"])).group_by("product_id").aggregate([("quantity", "sum")])
    return Totals(
        orders=sum(day.orders for day in days.values()),
        units=sum(day.units for day in days.values()),
        gmv_cents=sum(day.gmv_cents for day in days.values()),
        payments_succeeded_cents=sum(day.payments_succeeded_cents for day in days.values()),
        refunds_cents=sum(day.refunds_cents for day in days.values()),
        events=events_,
        days=dict(sorted(days.items())),
        closing_stock={row["product_id"]: row["quantity_sum"] for row in stock.sort_by("product_id").to_pylist()},
    )
