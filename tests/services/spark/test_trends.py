from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from shopnow import schemas
from shopnow.kpis import ANOMALIES, SALES_HOURLY, TRENDS
from shopnow.kpis.trends import TREND_FIGURES
from shopnow_spark.kpis.trends import anomalies, trends
from support import frames
from support.frames import rows

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 11, 2, tzinfo=UTC)
"""A Monday."""
NOW = datetime(2028, 1, 1, tzinfo=UTC)


@pytest.fixture
def hourly(engine: SparkSession) -> Callable[..., DataFrame]:
    """Create rows of `kpi/sales_hourly` from (hour, figures) pairs; other figures are 0."""
    names = ["hour", "date", "currency", *TREND_FIGURES]
    schema = pa.schema([SALES_HOURLY.schema.field(name) for name in names])

    def make(rows: Iterable[tuple[datetime, dict[str, int]]], currency: str = "EUR") -> DataFrame:
        table_rows = [
            {
                "hour": hour,
                "date": hour.date(),
                "currency": currency,
                **dict.fromkeys(TREND_FIGURES, 0),
                **figures,
            }
            for hour, figures in rows
        ]
        return frames.create(engine, pa.Table.from_pylist(table_rows, schema))

    return make


def hours(days: float, start: datetime = START, **figures: int) -> list[tuple[datetime, dict[str, int]]]:
    return [(start + number * HOUR, figures) for number in range(int(days * 24))]


WEEKS = ("as_of", "this_week", "week_before", "change")


def test_columns_are_those_of_the_definitions(engine, hourly):
    sales = hourly(hours(30, orders=1))
    for kpi, frame in ((TRENDS, trends(sales, now=NOW)), (ANOMALIES, anomalies(sales, now=NOW))):
        assert frame.columns == kpi.value_columns
        schema = schemas.spark_ddl(pa.schema([kpi.schema.field(name) for name in kpi.value_columns]))
        frame.to(engine.createDataFrame([], schema).schema).collect()


def test_a_half_finished_day_is_compared_with_the_same_half(hourly):
    sales = hourly([*hours(16.5, orders=10), (START + 16.5 * DAY, {"orders": 3})])
    now = START + 16.5 * DAY + 0.5 * HOUR
    figures = trends(sales, now=now).where("figure = 'orders'")
    assert rows(figures, *WEEKS, where="date = '2026-11-18'") == [("2026-11-18 12:00:00", 1680, 1680, 0.0)]


def test_a_day_after_which_there_are_sales_is_over_however_late_they_begin(hourly):
    sales = hourly([*hours(15.5, orders=10), (START + 16.5 * DAY, {"orders": 10})])
    figures = trends(sales, now=NOW).where("figure = 'orders'")
    assert rows(figures, *WEEKS, where="date = '2026-11-17'") == [
        ("2026-11-18 00:00:00", 6.5 * 240, 1680, -120 / 1680)
    ]


def test_each_week_is_compared_with_the_week_before(hourly):
    sales = hourly([*hours(7, orders=1, units=2), *hours(7, START + 7 * DAY, orders=3, units=1)])
    figures = rows(
        trends(sales, now=NOW),
        "date",
        "figure",
        "this_week",
        "week_before",
        "change",
        where="date = '2026-11-15'",
    )
    assert [row[1:] for row in figures] == [
        ("gmv_cents", 0, 0, None),
        ("net_revenue_cents", 0, 0, None),
        ("orders", 504, 168, 2.0),
        ("payments_failed", 0, 0, None),
        ("refunds_cents", 0, 0, None),
        ("units", 168, 336, -0.5),
    ]


def test_change_from_a_loss_is_by_its_size(hourly):
    sales = hourly([*hours(7, net_revenue_cents=-1), *hours(7, START + 7 * DAY, net_revenue_cents=1)])
    figures = trends(sales, now=NOW).where("figure = 'net_revenue_cents'")
    assert rows(figures, "change", where="date = '2026-11-15'") == [(2.0,)]


@pytest.mark.parametrize(("late", "change"), [(23, 23 / 145), (24, None)])
def test_no_change_from_a_week_whose_start_is_unknown(hourly, late, change):
    sales = hourly(hours(14 - late / 24, START + late * HOUR, orders=1))
    figures = trends(sales, now=NOW).where("figure = 'orders'")
    assert rows(figures, "this_week", "week_before", "change", where="date = '2026-11-15'") == [
        (168, 168 - late, change)
    ]


def test_currencies_are_separate_but_share_the_known_period(hourly):
    sales = hourly(hours(14, orders=1)).unionByName(hourly(hours(10, START + 4 * DAY, orders=2), "USD"))
    figures = trends(sales, now=NOW).where("figure = 'orders' and date = '2026-11-15'")
    assert rows(figures, "currency", "this_week", "week_before", "change") == [
        ("EUR", 168, 168, 0.0),
        ("USD", 336, 144, (336 - 144) / 144),
    ]


def test_a_day_without_a_completed_hour_has_no_rows(hourly):
    sales = hourly(hours(1 / 24, orders=1))
    assert trends(sales, now=START + HOUR - timedelta(microseconds=1)).count() == 0
    assert trends(sales, now=START + HOUR).count() == len(TREND_FIGURES)


def test_sums_beyond_64_bits_are_clamped(hourly):
    sales = hourly(
        [*hours(7, net_revenue_cents=-(2**63 - 1)), *hours(7, START + 7 * DAY, net_revenue_cents=2**63 - 1)]
    )
    figures = trends(sales, now=NOW).where("figure = 'net_revenue_cents' and date = '2026-11-15'")
    assert rows(figures, "this_week", "week_before", "change") == [(2**63 - 1, -(2**63), 2.0)]


def test_years_1_and_9999_are_supported(hourly):
    sales = hourly(
        [
            *hours(2 / 24, datetime(1, 1, 1, tzinfo=UTC)),
            *hours(1, datetime(9999, 12, 31, tzinfo=UTC), orders=1),
        ]
    )
    assert rows(trends(sales, now=NOW), "date", "as_of", where="figure = 'orders'") == [
        ("0001-01-01", "0001-01-01 02:00:00")
    ]
    assert anomalies(sales, now=NOW).count() == 0


def by_time_of_day(days: float, start: datetime = START) -> list[tuple[datetime, dict[str, int]]]:
    """Typical sales: more during the day, and slightly uneven."""
    return [
        (
            hour,
            {
                "orders": 20 + hour.hour + hour.day % 3,
                "payments_failed": 2 + hour.day % 2,
                "net_revenue_cents": 50_000 + 100 * hour.day,
            },
        )
        for hour, _ in hours(days, start)
    ]


def test_an_outage_is_an_anomaly_at_its_hour(hourly):
    at = START + 30 * DAY + 16 * HOUR
    sales = dict(by_time_of_day(35))
    sales[at] = {"orders": 36, "payments_failed": 30, "net_revenue_cents": 2_000}
    scored = anomalies(hourly(sales.items()), now=NOW).where("anomaly")
    # The number of orders is normal, but they are not paid.
    assert rows(scored, "hour", "figure", "value", "weeks") == [
        ("2026-12-02 16:00:00", "net_revenue_cents", 2_000, 4),
        ("2026-12-02 16:00:00", "payments_failed", 30, 4),
    ]


def test_score_by_hand(hourly):
    weeks = [(START + 7 * number * DAY, {"orders": orders}) for number, orders in enumerate([10, 40, 11, 13])]
    sales = hourly([*weeks, (START + 28 * DAY, {"orders": 30})])
    scored = anomalies(sales, now=NOW).where("figure = 'orders' and hour = '2026-11-30 00:00:00'")
    # The median of 10, 11, 13, 40 is 12; the median of the distances 2, 1, 1, 28 is 1.5.
    assert rows(scored, "date", "value", "weeks", "expected", "deviation", "score", "anomaly") == [
        ("2026-11-30", 30, 4, 12.0, 1.5, 18 / (1.4826 * 1.5), True)
    ]


@pytest.mark.parametrize(("figure", "min_deviation"), [("orders", 1.0), ("net_revenue_cents", 100.0)])
def test_small_numbers_may_differ_without_an_anomaly(hourly, figure, min_deviation):
    sales = hourly([(START + 7 * number * DAY, {figure: 4 if number == 3 else 0}) for number in range(4)])
    scored = anomalies(sales, now=NOW).where(f"figure = '{figure}'")
    assert rows(scored, "value", "expected", "score", "anomaly") == [(4, 0.0, 4 / min_deviation, False)]


def test_the_deviation_is_at_least_a_tenth_of_the_expected_value(hourly):
    sales = hourly(
        [(START + 7 * number * DAY, {"orders": 139 if number == 3 else 100}) for number in range(4)]
    )
    scored = anomalies(sales, now=NOW).where("figure = 'orders'")
    assert rows(scored, "score", "anomaly") == [(3.9, False)]


def test_hours_without_sales_count_as_zero(hourly):
    weeks = [START + 7 * number * DAY for number in range(5)]
    sales = hourly(
        [row for week in weeks[:-1] for row in hours(2 / 24, week, orders=50)]
        + [(weeks[-1] + 2 * HOUR, {"orders": 9})]
    )
    scored = anomalies(sales, now=NOW).where("figure = 'orders' and date = '2026-11-30'")
    assert rows(scored, "hour", "value", "expected", "anomaly") == [
        ("2026-11-30 00:00:00", 0, 50.0, True),
        ("2026-11-30 01:00:00", 0, 50.0, True),
        ("2026-11-30 02:00:00", 9, 0.0, True),
    ]


def test_a_currency_without_new_sales_is_evaluated_too(hourly):
    weeks = [START + 7 * number * DAY for number in range(4)]
    euros, dollars = (
        hourly([(week, {"orders": 5}) for week in weeks]),
        hourly([(week, {"orders": 8}) for week in weeks[:-1]], "USD"),
    )
    scored = anomalies(euros.unionByName(dollars), now=NOW).where("figure = 'orders'")
    assert rows(scored, "currency", "value", "expected", "anomaly") == [
        ("EUR", 5, 5.0, False),
        ("USD", 0, 8.0, True),
    ]


@pytest.mark.parametrize(("weeks", "expected_weeks"), [(2, []), (3, [3]), (12, [8])])
def test_the_expected_value_is_that_of_three_to_eight_weeks(hourly, weeks, expected_weeks):
    last = (START + 7 * weeks * DAY).date()
    sales = hourly([(START + 7 * number * DAY, {"orders": 5}) for number in range(weeks + 1)])
    scored = anomalies(sales, now=NOW).where(f"figure = 'orders' and date = '{last}'")
    assert [number for (number,) in rows(scored, "weeks")] == expected_weeks


def test_an_hour_that_has_not_ended_is_not_evaluated(hourly):
    sales = hourly(by_time_of_day(21 + 0.5))
    scored = anomalies(sales, now=START + 21 * DAY + 11.5 * HOUR).where(
        f"date = '{date(2026, 11, 23)}' and figure = 'orders'"
    )
    assert rows(scored, "hour")[-1] == ("2026-11-23 10:00:00",)
    assert scored.count() == 11
