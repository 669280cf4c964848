"""Late events are counted on the date of their event time, and changes of published figures are recorded."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

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
    "from a clock that is ahead, within the limit": -timedelta(minutes=4),
}
SALES = {
    "kpi/sales_hourly": tuple(SALE_FIGURES),
    "kpi/sales_daily": tuple(SALE_FIGURES),
    "kpi/top_products": ("orders", "units", "gmv_cents"),
}
"""KPI tables, and which figures of a sale they have."""


def test_late_events_restate_what_was_published(local_lake, refresh):
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - lag for lag in LATE.values()]
    on_time, late = ([event for time in times for event in sale(time)] for _ in range(2))
    raw_tables.land(local_lake, on_time)
    assert all(result.late == 0 and not result.restated for result in refresh(local_lake).values())
    published = min(row["computed_at"] for row in read(local_lake, "kpi/sales_daily").to_pylist())
    raw_tables.land(local_lake, late)
    results = refresh(local_lake)

    # Always the two oldest dates; the others only if midnight has passed since.
    ended = sorted(time.date() for time in times if end_of_day(time.date()) <= published)
    assert {time.date() for time in times[2:4]} <= set(ended)
    for name in ("events/orders", "events/payments"):
        assert results[name].late == len(ended)
        assert sorted(read(local_lake, name)["event_date"].to_pylist()) == sorted(
            2 * [time.date() for time in times]
        )
    for kpi, figures in SALES.items():
        restated = results[kpi].restated
        changes = {(row.kpi_date, row.figure): (row.before, row.after) for row in restated}
        sales = {day: ended.count(day) for day in ended}
        assert changes == {
            (day, name): (SALE_FIGURES[name] * count, 2 * SALE_FIGURES[name] * count)
            for day, count in sales.items()
            for name in figures
        }
        events_per_sale = {"kpi/top_products": 1}.get(kpi, 2)
        assert {(row.kpi_date, row.late_events) for row in restated} == {
            (day, count * events_per_sale) for day, count in sales.items()
        }

    in_commits = [
        row
        for kpi in RESTATEMENTS.sources
        for row in commit_metadata.read(Table(local_lake, kpi), RESTATEMENTS).to_pylist()
    ]
    in_table = read(local_lake, "restatements").to_pylist()
    assert len(in_table) == len(in_commits) == sum(len(results[kpi].restated) for kpi in RESTATEMENTS.sources)
    assert jobs.refresh(local_lake, fail_if_spark_starts) == []
    assert read(local_lake, "restatements").to_pylist() == in_table

    all_on_time = f"{local_lake}/punctual"
    raw_tables.land(all_on_time, [*on_time, *late])
    refresh(all_on_time)
    assert [read_content(local_lake, kpi) for kpi in SALES] == [
        read_content(all_on_time, kpi) for kpi in SALES
    ]

    raw_tables.land(local_lake, late)  # repeated
    assert {name: (result.written, result.late) for name, result in refresh(local_lake).items()} == {
        "events/orders": (0, 0),
        "events/payments": (0, 0),
    }


def test_every_valid_event_time_is_kept(local_lake, refresh):
    times = [
        datetime(*day, tzinfo=UTC)
        for day in ((1970, 1, 1), (1970, 1, 1, 0, 0, 0, 1_000), (1999, 12, 31, 23, 59, 59, 999_000))
    ]
    payments = [
        TOPICS["payments"].decoder().decode(payment_record(number, at)) for number, at in enumerate(times)
    ]
    raw_tables.land(local_lake, payments)
    refresh(local_lake)
    rows = read(local_lake, "events/payments")
    times_by_id = dict(
        zip(rows["event_id"].to_pylist(), rows["event_time"].cast(pa.int64()).to_pylist(), strict=True)
    )
    since_1970 = {
        event.event_id: (event.event_time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        for event in payments
    }
    assert times_by_id == since_1970
