from collections import Counter
from datetime import date

import pyarrow as pa
import pytest
import xxhash

from factories import shop_events
from factories.shop_events import NEW_YEAR, make_run
from shopnow.events import (
    TOPIC_OF,
    TOPICS,
    Event,
    OrderPlaced,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
    encode,
)
from shopnow.traffic import ledger, ledger_totals, run_totals
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.ledger_totals import DUPLICATE, LedgerTotals
from shopnow.traffic.run_config import Faults
from shopnow.traffic.simulation import Chunk
from shopnow.traffic.state import Run, State, StockOut

TOPIC_IDS = {name: f"id-of-{name}" for name in TOPICS}


@pytest.fixture(scope="module")
def chunks() -> list[Chunk]:
    """Chunks over two dates, with faults."""
    faults = Faults(duplicate=0.1, late=0.05, clock_skew_seconds=1)
    return shop_events.chunks(make_run(sessions=2000, start=NEW_YEAR - DAY // 2, faults=faults))


@pytest.fixture(scope="module")
def events(chunks: list[Chunk]) -> list[Event]:
    """The sent events without duplicates."""
    return list({event.event_id: event for event in shop_events.decoded(chunks)}.values())


@pytest.fixture(scope="module")
def rows(chunks: list[Chunk]) -> list[pa.Table]:
    return [
        ledger.build_rows(
            "run", TOPIC_IDS, chunk.batch.rows, [2] * len(chunk.batch.keys), range(len(chunk.batch.keys))
        )
        for chunk in chunks
    ]


def test_a_row_has_the_position_and_the_amount_of_its_record(
    events: list[Event], rows: list[pa.Table]
) -> None:
    order = next(event for event in events if isinstance(event, OrderPlaced) and event.discount_cents)
    row = next(row for table in rows for row in table.to_pylist() if row["event_id"] == order.event_id)
    assert (row["run_id"], row["topic"], row["topic_id"], row["partition"]) == (
        "run",
        "orders",
        "id-of-orders",
        2,
    )
    assert row["key"] == order.order_id.encode()
    assert row["payload_hash"] == xxhash.xxh3_128_digest(encode(order))
    assert (row["event_type"], row["event_time"]) == ("order_placed", order.event_time)
    assert row["order_id"] == order.order_id
    assert row["quantity"] == sum(item.quantity for item in order.items)
    assert row["amount_cents"] == order.total_cents + order.discount_cents


def test_ledger_records_hold_all_rows_below_kafkas_size_limit(rows: list[pa.Table]) -> None:
    for table in rows:
        records = list(ledger.encode(table))
        assert len(records) > 1
        assert all(len(record) < 900_000 for record in records)
        assert pa.concat_tables(pa.ipc.open_stream(record).read_all() for record in records) == table


def test_totals_count_each_event_once(chunks: list[Chunk], events: list[Event], rows: list[pa.Table]) -> None:
    totals = ledger_totals.from_rows(rows)
    orders = [event for event in events if isinstance(event, OrderPlaced)]
    paid = [event for event in events if isinstance(event, PaymentSucceeded)]
    refunded = [event for event in events if isinstance(event, PaymentRefunded)]
    assert totals.orders == len(orders) == totals.events["orders"]["order_placed"]
    assert totals.units == sum(item.quantity for order in orders for item in order.items)
    assert totals.gmv_cents == sum(order.total_cents + order.discount_cents for order in orders)
    assert totals.payments_failed == sum(isinstance(event, PaymentFailed) for event in events)
    assert totals.net_revenue_cents == sum(event.amount_cents for event in paid) - sum(
        event.amount_cents for event in refunded
    )
    assert sum(count for types in totals.events.values() for count in types.values()) == len(events)
    assert totals.records == Counter(topic for chunk in chunks for topic in chunk.batch.topics)
    assert totals.faults[DUPLICATE] == sum(totals.records.values()) - len(events)
    changes = Counter()
    for event in events:
        if TOPIC_OF[type(event)].name == "stock":
            changes[event.product_id] += event.quantity_change
    assert totals.stock_changes == changes


def test_daily_figures_add_up_to_the_totals(events: list[Event], rows: list[pa.Table]) -> None:
    totals = ledger_totals.from_rows(rows)
    assert list(totals.days) == [date(2025, 12, 31), date(2026, 1, 1)]
    for day, figures in totals.days.items():
        assert figures.orders == sum(
            1 for event in events if isinstance(event, OrderPlaced) and event.event_time.date() == day
        )
        paid = sum(
            event.amount_cents
            for event in events
            if isinstance(event, PaymentSucceeded) and event.event_time.date() == day
        )
        assert figures.payments_succeeded_cents == paid
    for figure in (
        "orders",
        "units",
        "gmv_cents",
        "payments_failed",
        "payments_succeeded_cents",
        "refunds_cents",
        "net_revenue_cents",
    ):
        assert getattr(totals, figure) == sum(getattr(day, figure) for day in totals.days.values())


def test_totals_of_parts_add_up_to_those_of_the_whole(rows: list[pa.Table]) -> None:
    parts = [table.slice(start, 700) for table in rows for start in range(0, table.num_rows, 700)]
    assert (
        ledger_totals.from_rows(parts)
        == ledger_totals.from_rows([pa.concat_tables(rows)])
        == ledger_totals.from_rows(rows)
    )


def test_an_empty_ledger_has_empty_totals() -> None:
    assert (
        ledger_totals.from_rows([ledger.SCHEMA.empty_table()])
        == ledger_totals.from_rows([])
        == LedgerTotals()
    )


def test_the_totals_of_a_run_are_those_of_its_rows_and_demand() -> None:
    run = make_run(sessions=1000, faults=Faults(duplicate=0.1, malformed=0.1))
    chunks = shop_events.chunks(run, per_chunk=100)
    expected = ledger_totals.from_rows(chunk.batch.rows for chunk in chunks)
    for chunk in chunks:
        expected.add(ledger_totals.from_demand(chunk.demand))
    assert run.totals == expected
    table = pa.concat_tables(ledger.build_demand_rows("run", chunk.demand) for chunk in chunks)
    assert sum(table["wanted"].to_pylist()) == sum(demand.wanted for demand in run.totals.demand.values())
    assert all(
        NEW_YEAR <= hour.timestamp() * 1000 < NEW_YEAR + DAY and hour.minute == 0
        for hour in table["hour"].to_pylist()
    )


def test_demand_is_what_was_added_to_carts_plus_the_unmet_part() -> None:
    run = make_run(sessions=3000)
    added: Counter[str] = Counter()
    for event in shop_events.events(run):
        if type(event).__name__ == "CartItemAdded":
            added[event.product_id] += event.quantity
    for product_id, demand in run.totals.demand.items():
        assert demand.wanted - demand.unmet == added[product_id]
        assert 0 <= demand.lost <= demand.unmet
    assert sum(demand.lost for demand in run.totals.demand.values()) > 0


def test_stock_outs_have_their_start_and_end_across_runs() -> None:
    state = State()
    first, second = (
        make_run("first", sessions=3000),
        make_run("second", sessions=300, start=NEW_YEAR + DAY, days=12),
    )
    events = shop_events.events(first, state) + shop_events.events(second, state)
    expected: dict[str, list[list[int | None]]] = {}
    for event in events:
        if TOPIC_OF[type(event)].name == "stock":
            at, outs = round(event.event_time.timestamp() * 1000), expected.setdefault(event.product_id, [])
            if event.quantity_after == 0:
                outs.append([at, None])
            elif outs and outs[-1][1] is None:
                outs[-1][1] = at
    stock_outs = run_totals.combine([first, second]).stock_outs
    assert {(out.product_id, out.start, out.end) for out in stock_outs} == {
        (product_id, *out) for product_id, outs in expected.items() for out in outs
    }
    assert [out.start for out in stock_outs] == sorted(out.start for out in stock_outs)
    carried_over = {(out.product_id, out.start) for out in first.stock_outs if out.end is None}
    assert carried_over & {(out.product_id, out.start) for out in second.stock_outs if out.end is not None}


def test_combined_totals_are_the_sum_of_the_runs() -> None:
    runs = [
        Run(name, make_run().config, 1, 0, 1, totals=LedgerTotals(orders=1, records={"views": 2}))
        for name in "ab"
    ]
    runs[1].stock_outs = [StockOut("p", 3)]
    combined = run_totals.combine(runs)
    assert (combined.totals.orders, combined.totals.records, combined.stock_outs) == (
        2,
        {"views": 4},
        [StockOut("p", 3)],
    )
