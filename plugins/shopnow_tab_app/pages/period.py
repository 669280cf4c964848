"""Period and sales filter of a page."""

from datetime import UTC, date, datetime
from typing import Annotated, NamedTuple

from fastapi import HTTPException, Query

from shopnow.dates import add_days_clamped
from shopnow_tab_app.replica.client import LakeReplica

DAYS = 7
MAX_DAYS = 3_660
"""Ten years: pages have a value per day, and memory is limited."""


class PeriodQuery(NamedTuple):
    """Period and sales filter of a request; by default all sales, in the currency with most orders."""

    first: date | None
    last: date | None
    days: int
    currency: str | None
    category: str | None
    country: str | None


class Period(NamedTuple):
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """The previous period of the same length."""
        return Period(add_days_clamped(self.first, -self.days), add_days_clamped(self.first, -1))


_Text = Annotated[str | None, Query(max_length=100)]


# `async`, because FastAPI runs other functions in a thread, which would take longer than the function itself.
async def period_query(
    first: Annotated[date | None, Query(alias="from", description="first day, UTC")] = None,
    last: Annotated[
        date | None, Query(alias="to", description="last day, UTC; default: the last day with sales")
    ] = None,
    days: Annotated[
        int, Query(ge=1, le=MAX_DAYS, description="number of days; ignored if `from` is given")
    ] = DAYS,
    currency: _Text = None,
    category: _Text = None,
    country: _Text = None,
) -> PeriodQuery:
    """Read period and sales filter from the query parameters."""
    if first and last and first > last:
        raise HTTPException(422, "End date is before start date")
    if category and country:
        raise HTTPException(
            422, "sales cannot be filtered by category and country at the same time; choose one"
        )
    return PeriodQuery(first, last, days, currency or None, category or None, country or None)


def resolve_period(
    lake: LakeReplica, query: PeriodQuery, table: str = "kpi/sales_daily", day: str = "date"
) -> Period:
    """Return the period of a query; by default it ends on the last day that a table has rows of, or today.

    Args:
        lake: replica of the lake.
        query: query of the request.
        table: table that has the last day.
        day: its column of the day, or of a time.
    """
    newest = lake.query(f'SELECT max({day})::DATE AS last FROM "{table}"')[0]["last"]  # noqa: S608
    today = datetime.now(UTC).date()
    last = query.last or min(newest or today, today)
    period = Period(query.first or add_days_clamped(last, 1 - query.days), last)
    if period.days > MAX_DAYS:
        raise HTTPException(422, f"The period has more than {MAX_DAYS} days")
    return period
