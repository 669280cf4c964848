"""The previous period that a period is compared with, like for like also while the period is not over."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from shopnow_tab_app.pages.period import Period, Preset


class Span(NamedTuple):
    """From `start`, included, to `end`, excluded, UTC."""

    start: datetime
    end: datetime


class Comparison(NamedTuple):
    """The part of a period that is compared, and the same part of the previous period."""

    current: Span
    before: Span

    @property
    def is_hourly(self) -> bool:
        """Whether the compared part ends within a day."""
        return self.current.end.time() != time()


def previous_period(period: Period, preset: Preset | None) -> Period:
    """Return the period before: of a week or a month the same days of the one before, else as many days."""
    if preset == "week":
        return Period(period.first - timedelta(days=7), period.last - timedelta(days=7))
    if preset == "month":
        last_of_month = period.first - timedelta(days=1)
        first = last_of_month.replace(day=1)
        return Period(first, min(first + timedelta(days=period.days - 1), last_of_month))
    return period.before


def compare(period: Period, previous: Period, now: datetime, *, is_hourly: bool) -> Comparison | None:
    """Return what to compare.

    Args:
        period: a period.
        previous: the one before it.
        now: the current time.
        is_hourly: whether figures are known by the hour, not only by the day.

    Returns:
        None if nothing of the period is over yet.
    """
    start, end = _midnight(period.first), _midnight(period.last) + timedelta(days=1)
    over = now.replace(minute=0, second=0, microsecond=0) if is_hourly else _midnight(now.date())
    length = min(end, over) - start
    if length <= timedelta():
        return None
    before = _midnight(previous.first)
    before_end = _midnight(previous.last) + timedelta(days=1)
    if min(end, over) == end:
        return Comparison(Span(start, end), Span(before, before_end))
    return Comparison(Span(start, start + length), Span(before, min(before + length, before_end)))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
