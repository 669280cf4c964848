"""The default period of a page."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import HTTPException

from shopnow_tab_app.pages.period import DAYS, MAX_DAYS, Period, PeriodQuery, resolve_period

TODAY = datetime.now(UTC).date()


class Lake:
    """A replica whose newest row is of this day."""

    def __init__(self, newest: date | None) -> None:
        self.newest = newest

    def query(self, sql: str) -> list[dict[str, Any]]:
        return [{"last": self.newest}]


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
    query = PeriodQuery(None, None, DAYS, None, None, None)
    period = resolve_period(Lake(newest), query)  # type: ignore[arg-type]
    assert period == Period(last - timedelta(days=DAYS - 1), last)


def test_a_period_of_more_than_ten_years_is_refused():
    longest = PeriodQuery(TODAY - timedelta(days=MAX_DAYS - 1), TODAY, DAYS, None, None, None)
    assert resolve_period(Lake(None), longest).days == MAX_DAYS  # type: ignore[arg-type]
    with pytest.raises(HTTPException, match="The period has more than 3660 days"):
        resolve_period(Lake(None), longest._replace(last=TODAY + timedelta(days=1)))  # type: ignore[arg-type]
