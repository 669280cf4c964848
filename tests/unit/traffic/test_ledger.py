from collections import defaultdict
from dataclasses import dataclass
from itertools import count

import pyarrow as pa
import xxhash

from shopnow.events import TOPIC_OF, TOPICS, Event, OrderPlaced, PaymentRefunded, PaymentSucceeded, encode, key
from shopnow.traffic import ledger
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State

MIDNIGHT = 1_767_225_600_000
TOPIC_IDS = {name: f"id-of-{name}" for name in TOPICS}


@dataclass
class Acknowledged:
    """What a delivered message answers."""

    event: Event
    at: int

    def topic(self) -> str:
        return TOPIC_OF[type(self.event)].name

    def partition(self) -> int:
        return 2

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return key(self.event)

    def value(self) -> bytes:
        return encode(self.event)


def simulated(sessions: int = 2000) -> list[Event]:
    run = Run("run", sessions, 1, 0.1, MIDNIGHT - DAY // 2, MIDNIGHT + DAY // 2)
    return [event for chunk in simulate(State(), run, 1000) for event in chunk.events]


def as_rows(events: list[Event]) -> pa.Table:
    offsets: dict[str, count] = defaultdict(count)
    delivered = [Acknowledged(event, next(offsets[TOPIC_OF[type(event)].name])) for event in events]
    return ledger.rows("run", TOPIC_IDS, events, delivered)


def test_a_row_says_where_the_event_is_and_what_it_was_worth() -> None:
    order = next(event for event in simulated() if isinstance(event, OrderPlaced) and event.discount_cents)
    (row,) = as_rows([order]).to_pylist()
    assert (row["run_id"], row["topic"], row["topic_id"], row["partition"], row["offset"]) == ("run", "orders", "id-of-orders", 2, 0)
    assert row["key"] == order.order_id.encode()
    assert row["payload_hash"] == xxhash.xxh3_128_digest(encode(order))
    assert (row["event_id"], row["event_type"], row["event_time"]) == (order.event_id, "order_placed", order.event_time)
    assert row["order_id"] == order.order_id
    assert row["quantity"] == sum(item.quantity for item in order.items)
    assert row["amount_cents"] == order.total_cents + order.discount_cents


def test_records_hold_all_rows_and_fit_into_kafka() -> None:
    rows = as_rows(simulated())
    records = list(ledger.encode(rows))
    assert len(records) > 1
    assert all(len(record) < 900_000 for record in records)
    assert pa.concat_tables(pa.ipc.open_stream(record).read_all() for record in records) == rows


def test_totals_are_those_of_the_events() -> None:
    events = simulated()
    totals = ledger.totals(as_rows(events))
    orders = [event for event in events if isinstance(event, OrderPlaced)]
    paid = [event for event in events if isinstance(event, PaymentSucceeded)]
    refunded = [event for event in events if isinstance(event, PaymentRefunded)]
    assert totals.orders == len(orders) == totals.events["orders"]["order_placed"]
    assert totals.units == sum(item.quantity for order in orders for item in order.items)
    assert totals.gmv_cents == sum(order.total_cents + order.discount_cents for order in orders)
    assert totals.net_revenue_cents == sum(event.amount_cents for event in paid) - sum(event.amount_cents for event in refunded)
    assert sum(n for types in totals.events.values() for n in types.values()) == len(events)
    closing = {event.product_id: event.quantity_after for event in events if TOPIC_OF[type(event)].name == "stock"}
    assert totals.closing_stock == closing


def test_each_day_has_its_own_figures_and_they_add_up() -> None:
    events = simulated()
    totals = ledger.totals(as_rows(events))
    assert [str(day) for day in totals.days] == ["2025-12-31", "2026-01-01"]
    for day, figures in totals.days.items():
        assert figures.orders == sum(1 for event in events if isinstance(event, OrderPlaced) and event.event_time.date() == day)
        paid = sum(event.amount_cents for event in events if isinstance(event, PaymentSucceeded) and event.event_time.date() == day)
        assert figures.payments_succeeded_cents == paid
    for figure in ("orders", "units", "gmv_cents", "payments_succeeded_cents", "refunds_cents", "net_revenue_cents"):
        assert getattr(totals, figure) == sum(getattr(day, figure) for day in totals.days.values())


def test_an_empty_ledger_has_empty_totals() -> None:
    totals = ledger.totals(ledger.SCHEMA.empty_table())
    assert (totals.orders, totals.events, totals.days, totals.closing_stock) == (0, {}, {}, {})
