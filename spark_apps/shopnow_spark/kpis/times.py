"""Times as whole numbers of µs since 1970: differences of any two, and no calendar that ends at some year."""

from pyspark.sql import Column
from pyspark.sql import functions as F

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def midnight(date: Column) -> Column:
    """The beginning of the day, UTC."""
    return F.unix_date(date).cast("bigint") * DAY


def whole_seconds(micros: Column) -> Column:
    """Seconds, rounded down; of a time that is not negative."""
    return F.call_function("div", micros, F.lit(SECOND))
