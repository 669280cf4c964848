"""Period and sales filter of a page."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import HTTPException, Query
from pydantic import BeforeValidator

from shopnow.dates import add_days_clamped
from shopnow_tab_app.replica.client import LakeReplica

DAYS = 7
LAST_DAY = date(9998, 12, 31)
"""Later days have no end in Python's calendar, or no following period."""
MAX_DAYS = 3_660
"""Ten years: pages have a value per day, and memory is limited."""

Preset = Literal["today", "yesterday", "week", "month", "all"]


class PeriodQuery(NamedTuple):
    """Period and sales filter of a request; by default all sales, in the currency with most orders."""

    first: date | None = None
    last: date | None = None
    days: int | None = None
    preset: Preset | None = None
    currency: str | None = None
    category: str | None = None
    country: str | None = None

    @property
    def is_chosen(self) -> bool:
        """Whether the request names a period other than all days."""
        is_named = any((self.first, self.last, self.days, self.preset))
        return is_named and not (self.preset == "all" and not self.first and not self.last)


LATEST_DAYS = PeriodQuery(days=DAYS)
ALL_DAYS = PeriodQuery(preset="all")


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


_Text = Annotated[str, Query(max_length=100)]
"""Not nullable: in a query every text is one, and the empty one stands for no filter."""


def _require_iso_date(text: Any) -> Any:
    """Refuse numbers, which pydantic reads as seconds since 1970."""
    if isinstance(text, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise ValueError("expected a date such as 2026-12-31")
    return text


_Date = Annotated[date, BeforeValidator(_require_iso_date)]


# `async`, because FastAPI runs other functions in a thread, which would take longer than the function itself.
async def period_query(
    first: Annotated[_Date | None, Query(alias="from", description="first day, UTC")] = None,
    last: Annotated[
        _Date | None, Query(alias="to", description="last day, UTC; default: the last day with data")
    ] = None,
    days: Annotated[
        int | None, Query(ge=1, le=MAX_DAYS, description="number of days; ignored if `from` is given")
    ] = None,
    preset: Annotated[
        Preset | None,
        Query(
            description="today, yesterday, this week since Monday, this month, or all days with data, UTC; "
            "ignored if `from`, `to` or `days` is given"
        ),
    ] = None,
    currency: _Text = "",
    category: _Text = "",
    country: _Text = "",
) -> PeriodQuery:
    """Read period and sales filter from the query parameters."""
    if first and last and first > last:
        raise HTTPException(422, "End date is before start date")
    if category and country:
        raise HTTPException(
            422, "sales cannot be filtered by category and country at the same time; choose one"
        )
    return PeriodQuery(first, last, days, preset, currency or None, category or None, country or None)


def resolve_period(
    lake: LakeReplica,
    query: PeriodQuery,
    table: str = "kpi/sales_daily",
    day: str = "date",
    default: PeriodQuery = LATEST_DAYS,
) -> Period:
    """Return the period of a query.

    A number of days ends on the last day that a table has rows of, or today, whichever is earlier.

    Args:
        lake: replica of the lake.
        query: query of the request.
        table: table that has the last day.
        day: its column of the day, or of a time.
        default: period of a query without one.

    Raises:
        HTTPException: the period has more than `MAX_DAYS`, which all days with data are cut to.
    """
    today = datetime.now(UTC).date()
    first, last, days, preset = query[:4] if any(query[:4]) else default[:4]
    first, last = (day and min(day, LAST_DAY) for day in (first, last))
    if preset and not (first or last or days) and (period := _preset_period(preset, today)):
        return period
    data = lake.query(f'SELECT min({day})::DATE AS first, max({day})::DATE AS last FROM "{table}"')[0]  # noqa: S608
    last = last or min(data["last"] or today, today)
    if preset == "all" and not (first or days):
        earliest = add_days_clamped(last, 1 - MAX_DAYS)
        return Period(min(max(data["first"] or last, earliest), last), last)
    period = Period(first or add_days_clamped(last, 1 - (days or DAYS)), last)
    if period.days > MAX_DAYS:
        raise HTTPException(422, f"The period has more than {MAX_DAYS} days")
    return period


def _preset_period(preset: Preset, today: date) -> Period | None:
    """Return the days of a preset; None for all days, which depend on the data."""
    match preset:
        case "today":
            return Period(today, today)
        case "yesterday":
            return Period(today - timedelta(days=1), today - timedelta(days=1))
        case "week":
            return Period(today - timedelta(days=today.weekday()), today)
        case "month":
            return Period(today.replace(day=1), today)
        case "all":
            return None
