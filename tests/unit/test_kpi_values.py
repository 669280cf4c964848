"""Formatting of KPI values by their units."""

from datetime import UTC, date, datetime

import pytest

from shopnow import kpis
from shopnow.kpis import values


@pytest.mark.parametrize(
    ("value", "unit", "currency", "expected"),
    [
        (123_456, "cents", "EUR", "1,234.56 EUR"),
        (-5, "cents", None, "-0.05"),
        (4_590.4, "cents", None, "45.90"),
        (0.1234, "share", None, "12.3 %"),
        (19_200, "seconds", None, "5 h 20 min"),
        (200_000, "seconds", None, "2 d 7 h"),
        (61, "seconds", None, "1 min"),
        (12_345, "orders", "EUR", "12,345"),
        (2.43, "days", None, "2.4"),
        (True, "", None, "yes"),
        (None, "cents", "EUR", "–"),
        (date(2026, 11, 24), "", None, "2026-11-24"),
        (datetime(2026, 11, 24, 9, 5, tzinfo=UTC), "", None, "2026-11-24 09:05"),
        ("two\nlines\x1b[2J", "", None, "two lines [2J"),
    ],
)
def test_values_are_formatted_by_their_unit(value, unit, currency, expected):
    assert values.format_value(value, unit, currency, none="–") == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.123, "▲ 12.3 %"), (-0.5, "▼ 50.0 %"), (0.0, "= 0.0 %"), (None, "–")]
)
def test_changes_show_their_direction(share, expected):
    assert values.format_change(share) == expected


def test_a_value_of_trends_has_the_unit_of_its_figure():
    field = kpis.TRENDS.schema.field("this_week")
    assert values.unit_of(field, {"figure": "gmv_cents"}) == "cents"
    assert values.unit_of(field, {"figure": "orders"}) == ""
    assert [values.heading(name, ["refunds", "refunds_cents"]) for name in ("refunds", "refunds_cents")] == [
        "refunds",
        "refunds amount",
    ]
    assert (values.heading("gmv_cents"), values.heading("net_revenue_cents")) == ("GMV", "net revenue")


@pytest.mark.parametrize("kpi", kpis.KPIS, ids=lambda kpi: kpi.name)
def test_every_column_has_a_definition_and_money_is_in_cents(kpi):
    for field in kpi.schema:
        assert values.definition_of(field), field.name
        assert (values.unit_of(field) == "cents") == field.name.endswith("_cents"), field.name
