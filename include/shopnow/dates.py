"""Reckoning with dates: events may be of any, from the first to the last there is, and no reckoning goes beyond those."""

from datetime import UTC, date, datetime, time


def add_days_clamped(day: date, days: int) -> date:
    """So many days later, or earlier; at the ends of the calendar the first or last day there is."""
    number = min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal())
    return date.fromordinal(number)


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def end_of_month(day: date) -> date:
    """The last day of its month."""
    return (
        add_days_clamped(month_of(add_days_clamped(month_of(day), 31)), -1)
        if (day.year, day.month) < (date.max.year, 12)
        else date.max
    )


def end_of_day(day: date) -> datetime:
    """The moment a day is over; for the last there is its last moment."""
    return (
        datetime.max.replace(tzinfo=UTC)
        if day == date.max
        else datetime.combine(add_days_clamped(day, 1), time(tzinfo=UTC))
    )
