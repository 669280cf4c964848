"""Periods of the pages, and what they are compared with."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import HTTPException

from shopnow_tab_app.pages.comparison import Comparison, Span, compare, previous_period
from shopnow_tab_app.pages.period import ALL_DAYS, DAYS, MAX_DAYS, Period, PeriodQuery, resolve_period

TODAY = datetime.now(UTC).date()


class Lake:
    """A replica whose rows are of these days."""

    def __init__(self, newest: date | None, oldest: date | None = None) -> None:
        self.newest, self.oldest = newest, oldest

    def query(self, sql: str) -> list[dict[str, Any]]:
        return [{"first": self.oldest, "last": self.newest}]


@pytest.mark.parametrize(
    ("newest", "last"),
    [
        (date(2099, 1, 1), TODAY),
        (date.max, TODAY),
        (None, TODAY),
        (TODAY - timedelta(days=3), TODAY - timedelta(days=3)),
    ],
)
def test_the_default_period_ends_on_the_last_day_with_rows_but_not_after_today(newest, last):
    query = PeriodQuery()
    period = resolve_period(Lake(newest), query)  # type: ignore[arg-type]
    assert period == Period(last - timedelta(days=DAYS - 1), last)


def test_a_period_of_more_than_ten_years_is_refused():
    longest = PeriodQuery(TODAY - timedelta(days=MAX_DAYS - 1), TODAY)
    assert resolve_period(Lake(None), longest).days == MAX_DAYS  # type: ignore[arg-type]
    with pytest.raises(HTTPException, match="The period has more than 3660 days"):
        resolve_period(Lake(None), longest._replace(last=TODAY + timedelta(days=1)))  # type: ignore[arg-type]


def test_all_days_are_those_with_rows_but_at_most_ten_years():
    newest, oldest = TODAY - timedelta(days=3), TODAY - timedelta(days=40)
    assert resolve_period(Lake(newest, oldest), ALL_DAYS) == Period(oldest, newest)  # type: ignore[arg-type]
    assert resolve_period(Lake(None), ALL_DAYS) == Period(TODAY, TODAY)  # type: ignore[arg-type]
    assert resolve_period(Lake(newest, date.min), ALL_DAYS).days == MAX_DAYS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("preset", "first", "last", "previous"),
    [
        ("today", TODAY, TODAY, (1, 1)),
        ("yesterday", TODAY - timedelta(days=1), TODAY - timedelta(days=1), (1, 1)),
        ("week", TODAY - timedelta(days=TODAY.weekday()), TODAY, (7, 7)),
    ],
)
def test_presets_are_compared_with_the_same_days_before(preset, first, last, previous):
    period = resolve_period(Lake(None), PeriodQuery(preset=preset))  # type: ignore[arg-type]
    assert period == Period(first, last)
    ago = [timedelta(days=days) for days in previous]
    assert previous_period(period, preset) == Period(first - ago[0], last - ago[1])


@pytest.mark.parametrize(
    ("month", "last_of_month"),
    [
        (Period(date(2026, 3, 1), date(2026, 3, 31)), Period(date(2026, 2, 1), date(2026, 2, 28))),
        (Period(date(2026, 3, 1), date(2026, 3, 5)), Period(date(2026, 2, 1), date(2026, 2, 5))),
        (Period(date(2026, 1, 1), date(2026, 1, 31)), Period(date(2025, 12, 1), date(2025, 12, 31))),
    ],
)
def test_a_month_is_compared_with_the_same_days_of_the_one_before(month, last_of_month):
    assert previous_period(month, "month") == last_of_month


def utc(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_hourly", "now", "current", "before"),
    [
        (True, utc(30), (utc(22), utc(24)), (utc(20), utc(22))),
        (True, utc(23, 14).replace(minute=59), (utc(22), utc(23, 14)), (utc(20), utc(21, 14))),
        (False, utc(23, 14), (utc(22), utc(23)), (utc(20), utc(21))),
    ],
    ids=["over", "in progress, by the hour", "in progress, by the day"],
)
def test_only_the_part_that_is_over_is_compared(is_hourly, now, current, before):
    period = Period(date(2026, 11, 22), date(2026, 11, 23))
    assert compare(period, period.before, now, is_hourly=is_hourly) == Comparison(
        Span(*current), Span(*before)
    )


def test_nothing_of_today_is_compared_by_the_day():
    today = Period(date(2026, 11, 23), date(2026, 11, 23))
    assert compare(today, today.before, utc(23, 14), is_hourly=False) is None
    assert compare(today, today.before, utc(23), is_hourly=True) is None
