from datetime import UTC, date, datetime

import pytest

from shopnow.kpis import COHORTS, CUSTOMERS, FUNNEL, SALES_DAILY, TOP_PRODUCTS
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage.completeness import for_row, summarize_losses


def loss(start: int = 0, missing: int | None = 3, first: int | None = None, last: int | None = None) -> Loss:
    times = [day and datetime(2026, 11, day, 12, tzinfo=UTC) for day in (first, last)]
    return Loss("orders", "id", 2, "expired", start, start + 3, missing, *times)


def test_nothing_is_missing_without_a_loss():
    assert summarize_losses([]) == (0, [])


def test_missing_rows_add_up_if_all_are_known():
    assert summarize_losses([loss(10), loss(0, 0)]) == (3, ["orders/2/0-2", "orders/2/10-12"])
    assert summarize_losses([loss(10), loss(0, None)]) == (None, ["orders/2/0-2", "orders/2/10-12"])


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [(2, 3, [2, 3]), (None, 2, [1, 2]), (3, None, [3, 4]), (2, 2, [2]), (None, None, [1, 2, 3, 4])],
)
def test_a_loss_affects_the_days_of_its_time_bounds(first, last, days):
    affected = [
        day
        for day in range(1, 5)
        if for_row([loss(first=first, last=last)], SALES_DAILY, date(2026, 11, day)).losses
    ]
    assert affected == days


@pytest.mark.parametrize(
    ("kpi", "days"),
    [
        (TOP_PRODUCTS, [20, 21]),
        (FUNNEL, list(range(6, 22))),
        (CUSTOMERS, list(range(20, 31))),
        (COHORTS, list(range(1, 31))),
    ],
)
def test_a_loss_affects_every_day_that_depends_on_its_rows(kpi, days):
    affected = [
        day for day in range(1, 31) if for_row([loss(first=20, last=20)], kpi, date(2026, 11, day)).losses
    ]
    assert affected == days


def test_the_first_and_last_date_of_the_calendar_are_valid():
    for kpi in (TOP_PRODUCTS, FUNNEL, CUSTOMERS, COHORTS):
        assert for_row([loss(first=20, last=20)], kpi, date.min).losses == []
        assert bool(for_row([loss(first=20, last=20)], kpi, date.max.replace(day=1)).losses) == (
            kpi in (CUSTOMERS, COHORTS)
        )
