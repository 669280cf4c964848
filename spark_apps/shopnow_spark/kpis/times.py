"""Times as integers of µs since 1970, whose differences are exact in any year."""

from pyspark.sql import Column
from pyspark.sql import functions as F

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def midnight(date: Column) -> Column:
    """Return the start of the day, UTC, in µs."""
    return F.unix_date(date).cast("bigint") * DAY


def whole_seconds(micros: Column) -> Column:
    """Return whole seconds of a non-negative duration, rounded down."""
    return F.call_function("div", micros, F.lit(SECOND))
