import json
from datetime import UTC, date, datetime

import pyarrow as pa

from shopnow.kpis import SALES_DAILY, TOP_PRODUCTS
from shopnow.lake.lineage import restatements
from shopnow.lake.lineage.restatements import Cause, Restatement

DAY = date(2026, 11, 20)
DURING, AFTER = datetime(2026, 11, 20, 23, 59, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
LATE = Cause({"orders": 2})


def rows(kpi, *values: dict, computed_at: datetime = AFTER, day: date = DAY) -> pa.Table:
    figures = dict.fromkeys(kpi.additive_columns, 0)
    return pa.Table.from_pylist(
        [figures | {"date": day, "currency": "EUR", "computed_at": computed_at} | row for row in values],
        kpi.schema,
    )


def find(before: pa.Table, after: pa.Table, kpi=SALES_DAILY, cause: Cause = LATE) -> list[Restatement]:
    return restatements.find(kpi, before, after, {DAY: cause})


def test_restates_figures_that_change_after_the_end_of_the_date():
    restated = find(
        rows(SALES_DAILY, {"orders": 10, "units": 7}), rows(SALES_DAILY, {"orders": 12, "units": 7})
    )
    assert restated == [
        Restatement("kpi/sales_daily", DAY, "EUR", "orders", 10, 12, 2, "late events: 2 in orders")
    ]


def test_figures_published_before_the_end_of_the_date_are_not_restated():
    assert (
        find(rows(SALES_DAILY, {"orders": 10}, computed_at=DURING), rows(SALES_DAILY, {"orders": 12})) == []
    )
    assert find(rows(SALES_DAILY), rows(SALES_DAILY, {"orders": 12})) == []


def test_unchanged_figures_are_not_restated():
    assert find(rows(SALES_DAILY, {"orders": 10}), rows(SALES_DAILY, {"orders": 10})) == []


def test_restates_currencies_that_appear_or_disappear():
    restated = find(
        rows(SALES_DAILY, {"orders": 1}),
        rows(SALES_DAILY, {"orders": 3, "currency": "USD"}),
        cause=Cause({}, "rebuild"),
    )
    assert [(entry.currency, entry.before, entry.after, entry.why) for entry in restated] == [
        ("EUR", 1, 0, "rebuild"),
        ("USD", 0, 3, "rebuild"),
    ]


def test_sums_products_independently_of_their_rank():
    before = rows(
        TOP_PRODUCTS,
        {"product_id": "a", "rank": 1, "units": 5},
        {"product_id": "b", "rank": 2, "units": 2**63 - 1},
    )
    after = rows(
        TOP_PRODUCTS,
        {"product_id": "a", "rank": 2, "units": 5, "orders": 1},
        {"product_id": "b", "rank": 1, "units": 2**63 - 1},
    )
    assert [(entry.figure, entry.before, entry.after) for entry in find(before, after, TOP_PRODUCTS)] == [
        ("orders", 0, 1)
    ]


def test_a_cause_names_late_events_and_other_causes():
    assert (
        str(Cause({"payments": 1, "orders": 2}, "rebuild"))
        == "late events: 2 in orders, 1 in payments; rebuild"
    )


def test_rows_are_what_dumps_wrote():
    restated = find(rows(SALES_DAILY, {"orders": 10}), rows(SALES_DAILY, {"orders": 12}))
    assert [
        Restatement(**row) for row in restatements.RESTATEMENTS.rows(json.loads(restatements.dumps(restated)))
    ] == restated
