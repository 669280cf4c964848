"""The days, and what of the shop, a page is about."""

from datetime import date, timedelta
from typing import Annotated, NamedTuple

from fastapi import HTTPException, Query

from shopnow.dates import add_days_clamped
from shopnow_tab_app.replica.client import Lake

DAYS = 7


class PeriodQuery(NamedTuple):
    """What a request asks for; None for everything, or for what has most."""

    first: date | None
    last: date | None
    days: int
    currency: str | None
    category: str | None
    country: str | None


class Period(NamedTuple):
    """Days from `first` to `last`, both of them in it."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """As many days, just before."""
        return Period(add_days_clamped(self.first, -self.days), add_days_clamped(self.first, -1))


_Text = Annotated[str | None, Query(max_length=100)]


# Not run in a thread of its own, as FastAPI does with what is not `async`: that would take longer than what it does.
async def asked(
    first: Annotated[date | None, Query(alias="from", description="first day, UTC")] = None,
    last: Annotated[
        date | None, Query(alias="to", description="last day, UTC; the latest with sales if not given")
    ] = None,
    days: Annotated[int, Query(ge=1, le=3660, description="so many days, if there is no first")] = DAYS,
    currency: _Text = None,
    category: _Text = None,
    country: _Text = None,
) -> PeriodQuery:
    """What is asked for, from the query."""
    if first and last and first > last:
        raise HTTPException(422, "End date is before start date")
    if category and country:
        raise HTTPException(
            422, "figures are kept by category and by country, not by both at once: choose one"
        )
    return PeriodQuery(first, last, days, currency or None, category or None, country or None)


def period(lake: Lake, asked: PeriodQuery, table: str = "kpi/sales_daily", day: str = "date") -> Period:
    """The days asked for: by default those up to the latest a table has."""
    newest = lake.query(f'SELECT max({day})::DATE AS last FROM "{table}"')[0]["last"]  # noqa: S608
    last = asked.last or newest or date.today()  # noqa: DTZ011
    return Period(asked.first or last - timedelta(days=asked.days - 1), last)
