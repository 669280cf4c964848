"""Counts and sums of integers that cannot fail, and what they are divided into."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

WIDE = "decimal(38,0)"
"""A few absurd but valid orders add up to more than 64 bits hold."""

HIGHEST = 2**63 - 1
"""Where sums stop that go beyond 64 bits, instead of failing the run."""


def total(value: Column) -> Column:
    """The sum over a group; 0 without rows. Beyond 64 bits it stops at the highest or lowest number instead of failing the run."""
    return F.greatest(F.least(wide_total(value), F.lit(HIGHEST)), F.lit(-HIGHEST - 1)).cast("bigint")


def wide_total(value: Column) -> Column:
    """The sum over a group as a decimal number of 38 digits; 0 without rows."""
    return F.coalesce(F.sum(value.cast(WIDE)), F.lit(0).cast(WIDE))


def ratio(dividend: Column | str, divisor: Column | str) -> Column:
    """One whole number divided by another, each as the closest floating-point number; null unless the divisor is positive."""
    above, below = (F.col(each) if isinstance(each, str) else each for each in (dividend, divisor))
    return F.when(below > 0, above.cast("double") / below.cast("double"))


def deviation(count: Column, total: Column, squares: Column) -> Column:
    """The standard deviation of a population by its number, sum and sum of squares; null of none, or if it takes more than 38 digits."""
    spread = F.try_subtract(F.try_multiply(count.cast(WIDE), squares), F.try_multiply(total, total))
    return F.when(count > 0, F.sqrt(spread.cast("double")) / count.cast("double"))


def average(amount: str, number: str) -> Column:
    """An integer amount, an SQL expression, divided by a count, halves rounded up; null if that is 0."""
    # In integers throughout: a double holds no amount beyond 2^53, and twice an amount may be beyond 2^63.
    rest = f"2 * (({amount}) % nullif({number}, 0))"
    return F.expr(
        f"({amount}) div nullif({number}, 0) + CASE WHEN {rest} >= {number} THEN 1 WHEN {rest} < -{number} THEN -1 ELSE 0 END"
    )


def day(time: Column | str) -> Column:
    """The day of a time as a number: those around the years 1 and 9999 can be counted on from, which dates cannot."""
    return F.unix_date(F.to_date(time))


def together(frames: Sequence[DataFrame]) -> DataFrame:
    """The rows of all of them; a column one does not have is null in its rows."""
    return reduce(lambda some, more: some.unionByName(more, allowMissingColumns=True), frames)
