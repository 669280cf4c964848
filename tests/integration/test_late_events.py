"""Events that come late: on the date they happened, counted, and what they change in figures published before is on record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

import raw_sample as sample
from derived import content, never, read
from shopnow.events import SCHEMA_VERSION, Event, OrderItem, OrderPlaced, PaymentSucceeded
from shopnow.lake import restatements, statements
from shopnow.lake.restatements import RESTATEMENTS
from shopnow.traffic.journal import uuid7
from shopnow_spark import jobs

LATE = {
    "5 minutes": timedelta(minutes=5),
    "3 hours": timedelta(hours=3),
    "3 days": timedelta(days=3),
    "40 days": timedelta(days=40),
    "from the future": -timedelta(days=1),
}
WORTH = {"orders": 1, "units": 2, "gmv_cents": 100, "payments_succeeded": 1, "paid_cents": 100, "net_revenue_cents": 100}
"""What a sale adds to figures."""
SALES = {"kpi/sales_hourly": tuple(WORTH), "kpi/sales_daily": tuple(WORTH), "kpi/top_products": ("orders", "units", "gmv_cents")}
"""Tables, and which of these figures they have."""
numbers = count()


@pytest.fixture
def refresh(spark):
    return lambda lake: {each.table: each for each in jobs.refresh(lake, lambda: spark)}


def sale(time: datetime) -> Iterator[Event]:
    """An order of two units at 50 cents, paid."""
    number = next(numbers)

    def common() -> dict:
        id_ = uuid7(int(time.timestamp() * 1000), f"{next(numbers):019x}")
        return {"event_id": id_, "event_time": time, "schema_version": SCHEMA_VERSION, "order_id": f"o{number}"}

    item = OrderItem(product_id="p", product_name="P", category="c", quantity=2, unit_price_cents=50)
    who = {"session_id": "s", "customer_id": "c", "customer_name": "n", "country": "FR", "address": "a"}
    yield OrderPlaced(**common(), **who, items=[item], discount_cents=0, total_cents=100, currency="EUR")
    yield PaymentSucceeded(**common(), payment_id=f"p{number}", method="card", amount_cents=100, currency="EUR", attempt=1)


def test_late_events_restate_what_was_published(lake, refresh):
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - lag for lag in LATE.values()]
    on_time, late = ([event for time in times for event in sale(time)] for _ in range(2))
    sample.land(lake, on_time)
    assert all(each.late == 0 and not each.restated for each in refresh(lake).values())
    published = min(row["computed_at"] for row in read(lake, "kpi/sales_daily").to_pylist())
    sample.land(lake, late)
    done = refresh(lake)

    # The oldest two always, the others if midnight has passed since.
    ended = sorted(time.date() for time in times if restatements.end_of(time.date()) <= published)
    assert {time.date() for time in times[2:4]} <= set(ended)
    for name in ("events/orders", "events/payments"):
        assert done[name].late == len(ended)
        assert sorted(read(lake, name)["event_date"].to_pylist()) == sorted(2 * [time.date() for time in times])
    for kpi, figures in SALES.items():
        found = {(each.kpi_date, each.figure): (each.before, each.after) for each in done[kpi].restated}
        counts = {day: ended.count(day) for day in ended}
        assert found == {(day, name): (WORTH[name] * n, 2 * WORTH[name] * n) for day, n in counts.items() for name in figures}
        events = {"kpi/top_products": 1}.get(kpi, 2)
        assert {(each.kpi_date, each.late_events) for each in done[kpi].restated} == {(day, n * events) for day, n in counts.items()}

    said = [row for kpi in SALES for row in statements.said(lake, RESTATEMENTS, kpi).to_pylist()]
    kept = read(lake, "restatements").to_pylist()
    assert len(kept) == len(said) == sum(len(done[kpi].restated) for kpi in SALES)
    assert jobs.refresh(lake, never) == []
    assert read(lake, "restatements").to_pylist() == kept

    punctual = f"{lake}/punctual"
    sample.land(punctual, [*on_time, *late])
    refresh(punctual)
    assert [content(lake, kpi) for kpi in SALES] == [content(punctual, kpi) for kpi in SALES]

    sample.land(lake, late)  # once more
    assert {name: (each.written, each.late) for name, each in refresh(lake).items()} == {"events/orders": (0, 0), "events/payments": (0, 0)}
