"""Events that come late: on the date they happened, counted, and what they change in figures published before is on record."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from factories import raw_tables
from factories.events import SALE_FIGURES, payment_record, sale
from shopnow.dates import end_of_day
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow_spark import jobs
from support.kpi_assertions import fail_if_spark_starts, read, read_content

LATE = {
    "5 minutes": timedelta(minutes=5),
    "3 hours": timedelta(hours=3),
    "3 days": timedelta(days=3),
    "40 days": timedelta(days=40),
    "from the future": -timedelta(days=1),
}
SALES = {
    "kpi/sales_hourly": tuple(SALE_FIGURES),
    "kpi/sales_daily": tuple(SALE_FIGURES),
    "kpi/top_products": ("orders", "units", "gmv_cents"),
}
"""Tables, and which of these figures they have."""


@pytest.fixture
def refresh(spark):
    return lambda lake: {each.table: each for each in jobs.refresh(lake, lambda: spark)}


def test_late_events_restate_what_was_published(lake, refresh):
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - lag for lag in LATE.values()]
    on_time, late = ([event for time in times for event in sale(time)] for _ in range(2))
    raw_tables.land(lake, on_time)
    assert all(each.late == 0 and not each.restated for each in refresh(lake).values())
    published = min(row["computed_at"] for row in read(lake, "kpi/sales_daily").to_pylist())
    raw_tables.land(lake, late)
    done = refresh(lake)

    # The oldest two always, the others if midnight has passed since.
    ended = sorted(time.date() for time in times if end_of_day(time.date()) <= published)
    assert {time.date() for time in times[2:4]} <= set(ended)
    for name in ("events/orders", "events/payments"):
        assert done[name].late == len(ended)
        assert sorted(read(lake, name)["event_date"].to_pylist()) == sorted(
            2 * [time.date() for time in times]
        )
    for kpi, figures in SALES.items():
        found = {(each.kpi_date, each.figure): (each.before, each.after) for each in done[kpi].restated}
        counts = {day: ended.count(day) for day in ended}
        assert found == {
            (day, name): (SALE_FIGURES[name] * n, 2 * SALE_FIGURES[name] * n)
            for day, n in counts.items()
            for name in figures
        }
        events = {"kpi/top_products": 1}.get(kpi, 2)
        assert {(each.kpi_date, each.late_events) for each in done[kpi].restated} == {
            (day, n * events) for day, n in counts.items()
        }

    said = [
        row
        for kpi in RESTATEMENTS.sources
        for row in commit_metadata.read(Table(lake, kpi), RESTATEMENTS).to_pylist()
    ]
    kept = read(lake, "restatements").to_pylist()
    assert len(kept) == len(said) == sum(len(done[kpi].restated) for kpi in RESTATEMENTS.sources)
    assert jobs.refresh(lake, fail_if_spark_starts) == []
    assert read(lake, "restatements").to_pylist() == kept

    punctual = f"{lake}/punctual"
    raw_tables.land(punctual, [*on_time, *late])
    refresh(punctual)
    assert [read_content(lake, kpi) for kpi in SALES] == [read_content(punctual, kpi) for kpi in SALES]

    raw_tables.land(lake, late)  # once more
    assert {name: (each.written, each.late) for name, each in refresh(lake).items()} == {
        "events/orders": (0, 0),
        "events/payments": (0, 0),
    }


def test_events_of_all_times_there_are_keep_theirs(lake, refresh):
    times = [
        datetime(*day, tzinfo=UTC)
        for day in ((1, 1, 1), (1582, 10, 10), (1899, 12, 31), (9999, 12, 31, 23, 59, 59, 999_000))
    ]
    payments = [
        TOPICS["payments"].decoder().decode(payment_record(number, at))
        for number, at in enumerate(times)
    ]
    raw_tables.land(lake, payments)
    refresh(lake)
    rows = read(lake, "events/payments")
    kept = dict(
        zip(rows["event_id"].to_pylist(), rows["event_time"].cast(pa.int64()).to_pylist(), strict=True)
    )
    since_1970 = {
        event.event_id: (event.event_time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        for event in payments
    }
    assert kept == since_1970
