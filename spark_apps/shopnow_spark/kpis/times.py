"""Times as integers of µs since 1970, whose differences are exact in any year.

Not by `date_trunc` and `trunc`, which Sail computes in nanoseconds: those end in the year 2262.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def hour(time: Column) -> Column:
    """Return the start of the hour."""
    micros = F.unix_micros(time)
    return F.timestamp_micros(micros - F.pmod(micros, F.lit(HOUR)))


def first_of_month(date: Column) -> Column:
    """Return the first day of the date's month."""
    return F.date_sub(date, F.day(date) - 1)


def midnight(date: Column) -> Column:
    """Return the start of the day, UTC, in µs."""
    return F.unix_date(date).cast("bigint") * DAY


def whole_seconds(micros: Column) -> Column:
    """Return whole seconds of a non-negative duration, rounded down."""
    return F.call_function("div", micros, F.lit(SECOND))
