"""The figures of a day, read from small tables, and how a report tells of them."""

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


def told(lake: str, at: datetime = MORNING, day: date = DAY, behind: str = "") -> report.Report:
    return report.compose(numbers.read(lake, day, at), behind)


def section(found: report.Report, title: str):
    return next(each for each in found.sections if each.title == title)


def test_headlines_are_beside_the_same_day_of_the_week_before(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    found = told(lake)
    assert (found.status, found.sound, list(found.words)) == ("Complete", True, [])
    cards = {
        card.title: (card.value, card.beside, card.better) for card in section(found, "Sales in EUR").cards
    }
    assert cards["Net revenue"] == ("59,181.41 EUR", "▲ 7.0 % from 55,290.05", True)
    assert cards["Orders"] == ("767", "▲ 6.7 % from 719", True)
    assert cards["Refunds"] == ("1,053.60 EUR", "as a week before", None)


def test_a_day_that_is_not_over_is_compared_with_none(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    found = told(lake, midnight(DAY) + timedelta(hours=15))
    assert (found.status, found.sound) == ("The day is not over", False)
    assert {card.beside for card in section(found, "Sales in EUR").cards} == {"so far"}


def test_sales_computed_before_the_day_was_over_say_so(lake):
    kpi_sample.write(lake, kpi_sample.sample(), computed_at=midnight(DAY) + timedelta(hours=22))
    assert "before the day was over" in told(lake).words[0]


def test_currencies_are_kept_apart(lake):
    kpi_sample.write(lake, kpi_sample.sample(currencies=("EUR", "USD")))
    found = told(lake)
    for currency in ("EUR", "USD"):
        assert section(found, f"Sales in {currency}").cards[0].value == f"59,181.41 {currency}"
        assert len(section(found, f"Categories, {currency}").rows) == len(kpi_sample.CATEGORIES)
    names = [chart.name for chart in found.charts]
    assert len(names) == len(set(names))
    assert "118,362" not in html.text(found, "")


def test_products_say_how_their_rank_has_changed(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    rows = section(told(lake), "Top products by revenue, EUR").rows
    assert [row[:3] for row in rows[:4]] == [
        ["1", "▲ 2", "Espresso Machine"],
        ["2", "▼ 1", "Running Shoes"],
        ["3", "=", "Desk Lamp"],
        ["4", "new", "Yoga Mat"],
    ]


def test_stock_outs_that_touch_the_day_and_what_they_cost(lake):
    rows = kpi_sample.sample()
    one = rows["kpi/stock_outs"][0]
    over = one | {
        "product_id": "over",
        "started_at": midnight(DAY) - timedelta(days=2),
        "ended_at": midnight(DAY),
    }
    later = one | {"product_id": "later", "started_at": midnight(DAY) + timedelta(days=1), "ended_at": None}
    unknown = one | {"product_id": "unknown", "currency": None, "unit_price_cents": None, "lost_cents": None}
    rows["kpi/stock_outs"] += [over, later, unknown]
    kpi_sample.write(lake, rows)
    found = section(told(lake), "Stock-outs")
    assert found.words == [
        "3 products could not be sold for a time that touches the day; sales lost in it, as estimated: 759.26 EUR."
    ]
    assert [row[-1] for row in found.rows] == ["379.63 EUR", "379.63 EUR", "–"]


def test_what_is_to_reorder_comes_by_how_soon(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    found = section(told(lake), "To reorder")
    assert [row[-1] for row in found.rows] == ["0.0", "0.0", "0.2", "2.3"]


def test_an_empty_lake_has_no_figures_and_says_so(lake):
    found = told(lake)
    assert (found.status, found.sound) == ("No figures", False)
    assert "There are no figures of this day" in html.text(found, "")
    assert [each.title for each in found.sections] == ["What changed"]


def test_a_day_without_figures_in_a_lake_that_has_some(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    assert told(lake, day=DAY - timedelta(days=300)).status == "No figures"


def test_what_is_not_computed_yet_is_told_at_the_end(lake):
    rows = kpi_sample.sample()
    kpi_sample.write(
        lake, {name: rows[name] for name in ("kpi/sales_daily", "kpi/sales_hourly")} | {"kpi/funnel": []}
    )
    found = told(lake)
    assert found.sections[-1].title == "Not in this report"
    assert found.sections[-1].words[0].startswith("Not computed yet: Week over week, ")
    assert found.sections[-1].words[1] == "Nothing on record for this day: Funnel."


def test_a_table_of_an_older_version_lacks_columns(lake):
    old = kpis.SALES_DAILY
    schema = old.schema.remove(old.schema.get_field_index("average_order_cents"))
    kpi_sample.write(lake, {})
    table = Table(lake, old.name).ensure(schema, old.partition_by)
    row = {name: value for name, value in kpi_sample.sample()[old.name][1].items() if name in schema.names}
    kpi_sample.write_deltalake(table, kpi_sample.pa.Table.from_pylist([row], schema), mode="append")
    cards = {card.title: card.value for card in section(told(lake), "Sales in EUR").cards}
    assert cards["Average order"] == "–"


@pytest.mark.parametrize(
    ("missing", "says"),
    [(12, "Up to 12 rows missing"), (None, "Unknown number of rows missing")],
)
def test_what_is_missing_is_said_at_the_top(lake, missing, says):
    kpi_sample.write(lake, kpi_sample.sample(), missing_rows=missing)
    found = told(lake)
    assert (found.status, found.sound) == (says, False)
    assert found.words[0].startswith(says)


def test_a_broken_audit_puts_the_figures_in_doubt(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    audit_log.record(lake, [Check("events = KPIs", False, "2026-11-24: orders 3 != 4")], by="test")
    found = told(lake)
    assert found.status == "In doubt"
    assert "a difference in events = KPIs" in found.words[-1]


def test_figures_that_lack_what_has_not_landed_say_so(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    found = told(lake, behind="Not all is in these figures yet: orders.")
    assert (found.status, found.sound) == ("Not up to date", False)
    assert "orders" in found.words[0]


def test_restated_figures_say_from_what_to_what_and_why(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    change = {
        "kpi": "kpi/sales_daily",
        "kpi_date": DAY,
        "currency": "EUR",
        "late_events": 3,
        "why": "late events: 3 in payments",
    }
    known = numbers.read(lake, DAY, MORNING)._replace(
        restated=[
            change | {"figure": "net_revenue_cents", "before": 100_000, "after": 123_456},
            change | {"figure": "payments_succeeded", "before": 10, "after": 13},
        ]
    )
    assert section(report.compose(known), "What changed").rows == [
        [
            "24 Nov 2026",
            "Sales by day: net revenue, EUR",
            "1,000.00",
            "1,234.56",
            "late events: 3 in payments",
        ],
        ["24 Nov 2026", "Sales by day: payments succeeded", "10", "13", "late events: 3 in payments"],
    ]


def test_every_table_of_the_report_is_told_of_somewhere(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    found = told(lake)
    assert {kpi.title for kpi in numbers.REPORTED} == {row[0] for row in section(found, "Proof").rows}
    assert (
        found.definitions["Sales by day"]["Net revenue"]
        == "payments succeeded − refunds, each when it happened"
    )
