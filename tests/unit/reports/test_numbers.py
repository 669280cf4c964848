"""The figures of a day, read from small tables, and the report of them."""

from datetime import date, datetime, timedelta

import pytest

from factories import kpi_sample
from factories.kpi_sample import DAY, midnight
from shopnow import kpis
from shopnow.audit import audit_log
from shopnow.audit.audit_log import Check
from shopnow.lake.delta.tables import Table
from shopnow.reports import html, numbers, report

MORNING = midnight(DAY) + timedelta(days=1, hours=6)


@pytest.fixture
def lake(tmp_path) -> str:
    return str(tmp_path)


def compose(lake: str, at: datetime = MORNING, day: date = DAY, lag: str = "") -> report.Report:
    return report.compose(numbers.read(lake, day, at), lag)


def section(result: report.Report, title: str):
    return next(item for item in result.sections if item.title == title)


def test_headlines_are_compared_with_the_same_day_a_week_earlier(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    result = compose(lake)
    assert (result.status, result.is_sound, list(result.notices)) == ("Complete", True, [])
    cards = {
        card.title: (card.value, card.comparison, card.is_improvement)
        for card in section(result, "Sales in EUR").cards
    }
    assert cards["Net revenue"] == ("59,181.41 EUR", "▲ 7.0 % from 55,290.05", True)
    assert cards["Orders"] == ("767", "▲ 6.7 % from 719", True)
    assert cards["Refunds"] == ("1,053.60 EUR", "same as a week earlier", None)


def test_a_day_that_is_not_over_is_not_compared(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    result = compose(lake, midnight(DAY) + timedelta(hours=15))
    assert (result.status, result.is_sound) == ("The day is not over", False)
    assert {card.comparison for card in section(result, "Sales in EUR").cards} == {"so far"}


def test_sales_computed_before_the_end_of_the_day_are_flagged(lake):
    kpi_sample.write(lake, kpi_sample.sample(), computed_at=midnight(DAY) + timedelta(hours=22))
    assert "before the day was over" in compose(lake).notices[0]


def test_currencies_are_not_added_up(lake):
    kpi_sample.write(lake, kpi_sample.sample(currencies=("EUR", "USD")))
    result = compose(lake)
    for currency in ("EUR", "USD"):
        assert section(result, f"Sales in {currency}").cards[0].value == f"59,181.41 {currency}"
        assert len(section(result, f"Categories, {currency}").rows) == len(kpi_sample.CATEGORIES)
    names = [chart.name for chart in result.charts]
    assert len(names) == len(set(names))
    assert "118,362" not in html.text(result, "")


def test_products_show_their_change_of_rank(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    rows = section(compose(lake), "Top products by revenue, EUR").rows
    assert [row[:3] for row in rows[:4]] == [
        ["1", "▲ 2", "Espresso Machine"],
        ["2", "▼ 1", "Running Shoes"],
        ["3", "=", "Desk Lamp"],
        ["4", "new", "Yoga Mat"],
    ]


def test_stock_outs_on_the_day_and_their_lost_sales(lake):
    rows = kpi_sample.sample()
    stock_out = rows["kpi/stock_outs"][0]
    ended = stock_out | {
        "product_id": "ended",
        "started_at": midnight(DAY) - timedelta(days=2),
        "ended_at": midnight(DAY),
    }
    later = stock_out | {
        "product_id": "later",
        "started_at": midnight(DAY) + timedelta(days=1),
        "ended_at": None,
    }
    unknown = stock_out | {
        "product_id": "unknown",
        "currency": None,
        "unit_price_cents": None,
        "lost_cents": None,
    }
    rows["kpi/stock_outs"] += [ended, later, unknown]
    kpi_sample.write(lake, rows)
    result = section(compose(lake), "Stock-outs")
    assert result.paragraphs == [
        "3 products out of stock at some time of the day; estimated lost sales: 759.26 EUR."
    ]
    assert [row[-1] for row in result.rows] == ["379.63 EUR", "379.63 EUR", "–"]


def test_products_to_reorder_are_ordered_by_days_of_cover(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    result = section(compose(lake), "To reorder")
    assert [row[-1] for row in result.rows] == ["0.0", "0.0", "0.2", "2.3"]


def test_an_empty_lake_gives_a_report_without_figures(lake):
    result = compose(lake)
    assert (result.status, result.is_sound) == ("No figures", False)
    assert "There are no figures for this day" in html.text(result, "")
    assert [item.title for item in result.sections] == ["What changed"]


def test_a_day_without_figures_in_a_lake_that_has_some(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    assert compose(lake, day=DAY - timedelta(days=300)).status == "No figures"
    for day in (date.min, date.max):
        assert compose(lake, day=day).status == "No figures"


def test_tables_without_figures_are_listed_at_the_end(lake):
    rows = kpi_sample.sample()
    kpi_sample.write(
        lake, {name: rows[name] for name in ("kpi/sales_daily", "kpi/sales_hourly")} | {"kpi/funnel": []}
    )
    result = compose(lake)
    assert result.sections[-1].title == "Not in this report"
    assert result.sections[-1].paragraphs[0].startswith("Not computed yet: Week over week, ")
    assert result.sections[-1].paragraphs[1] == "No data for this day: Conversion funnel."


def test_a_table_of_an_older_version_lacks_columns(lake):
    old = kpis.SALES_DAILY
    schema = old.schema.remove(old.schema.get_field_index("average_order_cents"))
    kpi_sample.write(lake, {})
    table = Table(lake, old.name).ensure(schema, old.partition_by)
    row = {name: value for name, value in kpi_sample.sample()[old.name][1].items() if name in schema.names}
    kpi_sample.write_deltalake(table, kpi_sample.pa.Table.from_pylist([row], schema), mode="append")
    cards = {card.title: card.value for card in section(compose(lake), "Sales in EUR").cards}
    assert cards["Average order"] == "–"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [(12, "Up to 12 rows missing"), (None, "Unknown number of rows missing")],
)
def test_missing_rows_are_the_first_notice(lake, missing, expected):
    kpi_sample.write(lake, kpi_sample.sample(), missing_rows=missing)
    result = compose(lake)
    assert (result.status, result.is_sound) == (expected, False)
    assert result.notices[0].startswith(expected)


def test_a_broken_audit_puts_the_figures_in_doubt(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    audit_log.record(lake, [Check("events = KPIs", False, "2026-11-24: orders 3 != 4")], by="test")
    result = compose(lake)
    assert result.status == "In doubt"
    assert "a difference in events = KPIs" in result.notices[-1]


def test_figures_that_lag_are_flagged(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    result = compose(lake, lag="Some records of the day are not processed yet: orders.")
    assert (result.status, result.is_sound) == ("Not up to date", False)
    assert "orders" in result.notices[0]


def test_restated_figures_show_both_values_and_the_reason(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    change = {
        "kpi": "kpi/sales_daily",
        "kpi_date": DAY,
        "currency": "EUR",
        "late_events": 3,
        "why": "late events: 3 in payments",
    }
    figures = numbers.read(lake, DAY, MORNING)._replace(
        restated=[
            change | {"figure": "net_revenue_cents", "before": 100_000, "after": 123_456},
            change | {"figure": "payments_succeeded", "before": 10, "after": 13},
        ]
    )
    assert section(report.compose(figures), "What changed").rows == [
        [
            "24 Nov 2026",
            "Sales by day: net revenue, EUR",
            "1,000.00",
            "1,234.56",
            "late events: 3 in payments",
        ],
        ["24 Nov 2026", "Sales by day: payments succeeded", "10", "13", "late events: 3 in payments"],
    ]


def test_every_table_of_the_report_is_in_the_proof(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    result = compose(lake)
    assert {kpi.title for kpi in numbers.REPORTED} == {row[0] for row in section(result, "Proof").rows}
    assert (
        result.definitions["Sales by day"]["Net revenue"]
        == "payments succeeded − refunds, each by its own event date"
    )
