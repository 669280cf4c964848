"""Date arithmetic that stays within the calendar: event dates may be `date.min` and `date.max`."""

from datetime import UTC, date, datetime, time, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the time of a record's timestamp, clamped to the calendar: producers may set any number."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        end = date.max if milliseconds > 0 else date.min
        return datetime(end.year, end.month, end.day, tzinfo=UTC)


def add_days_clamped(day: date, days: int) -> date:
    """Add days, clamped to `date.min` and `date.max`; `days` may be negative."""
    ordinal = min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal())
    return date.fromordinal(ordinal)


def month_of(day: date) -> date:
    """Return the first day of the month."""
    return day.replace(day=1)


def end_of_month(day: date) -> date:
    """Return the last day of the month."""
    return (
        add_days_clamped(month_of(add_days_clamped(month_of(day), 31)), -1)
        if (day.year, day.month) < (date.max.year, 12)
        else date.max
    )


def end_of_day(day: date) -> datetime:
    """Return the start of the next day, UTC; for `date.max` its last moment."""
    return (
        datetime.max.replace(tzinfo=UTC)
        if day == date.max
        else datetime.combine(add_days_clamped(day, 1), time(tzinfo=UTC))
    )
