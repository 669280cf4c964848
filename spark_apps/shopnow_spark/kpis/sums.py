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
    """The sum over a group, at most the highest number; 0 without rows."""
    return F.least(F.coalesce(F.sum(value.cast(WIDE)), F.lit(0)), F.lit(HIGHEST)).cast("bigint")


def share(part: str, whole: str) -> Column:
    """The one count divided by the other; null if that is 0."""
    return F.try_divide(part, whole)


def average(amount: str, number: str) -> Column:
    """An integer amount, an SQL expression, divided by a count, halves rounded up; null if that is 0."""
    # In integers throughout: a double holds no amount beyond 2^53, and twice an amount may be beyond 2^63.
    rest = f"2 * (({amount}) % nullif({number}, 0))"
    return F.expr(f"({amount}) div nullif({number}, 0) + CASE WHEN {rest} >= {number} THEN 1 WHEN {rest} < -{number} THEN -1 ELSE 0 END")


def day(time: Column | str) -> Column:
    """The day of a time as a number: those around the years 1 and 9999 can be counted on from, which dates cannot."""
    return F.unix_date(F.to_date(time))


def together(frames: Sequence[DataFrame]) -> DataFrame:
    """The rows of all of them; a column one does not have is null in its rows."""
    return reduce(lambda some, more: some.unionByName(more, allowMissingColumns=True), frames)
