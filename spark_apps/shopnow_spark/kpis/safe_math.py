"""Sums, ratios and averages of integers that cannot overflow or fail."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

WIDE_DECIMAL = "decimal(38,0)"
"""Type of intermediate sums, as a few absurd but valid orders exceed 64 bits."""

_NEARLY_MAX_DECIMAL = 9.9e37

MAX_BIGINT = 2**63 - 1
"""Sums beyond 64 bits are saturated here instead of failing the run."""


def total(value: Column) -> Column:
    """Sum over a group, saturated to 64 bits; 0 without rows."""
    return F.greatest(F.least(wide_total(value), F.lit(MAX_BIGINT)), F.lit(-MAX_BIGINT - 1)).cast("bigint")


def wide_total(value: Column) -> Column:
    """Sum over a group as a decimal of 38 digits; 0 without rows."""
    return F.coalesce(F.sum(value.cast(WIDE_DECIMAL)), F.lit(0).cast(WIDE_DECIMAL))


def negated(value: Column) -> Column:
    """Negate a wide decimal; Sail's `-` gives it another scale."""
    return F.lit(0).cast(WIDE_DECIMAL) - value


def ratio(dividend: Column | str, divisor: Column | str) -> Column:
    """Divide two integers as doubles; null unless the divisor is positive."""
    above, below = (
        F.col(operand) if isinstance(operand, str) else operand for operand in (dividend, divisor)
    )
    return F.when(below > 0, above.cast("double") / below.cast("double"))


def deviation(count: Column, total: Column, squares: Column) -> Column:
    """Population standard deviation from count, sum and sum of squares; null if not computable."""
    # Guarded instead of `try_multiply`, which Sail has for integers only. The second product is never larger.
    fits = count.cast("double") * squares.cast("double") < F.lit(_NEARLY_MAX_DECIMAL)
    spread = F.when(fits, count.cast(WIDE_DECIMAL) * squares - total * total)
    return F.when(count > 0, F.sqrt(spread.cast("double")) / count.cast("double"))


def average(amount: str, number: str) -> Column:
    """Divide an integer SQL expression by a count, halves rounded up; null if the count is 0."""
    # Integers only, as a double is inexact beyond 2^53, and twice an amount may exceed 2^63.
    rest = f"2 * (({amount}) % nullif({number}, 0))"
    return F.expr(
        f"({amount}) div nullif({number}, 0) "
        f"+ CASE WHEN {rest} >= {number} THEN 1 WHEN {rest} < -{number} THEN -1 ELSE 0 END"
    )


def day(time: Column | str) -> Column:
    """Return the day of a time as a number, which allows arithmetic around the years 1 and 9999."""
    return F.unix_date(F.to_date(time))


def union_all(frames: Sequence[DataFrame]) -> DataFrame:
    """Union all frames by column name; a missing column is null."""
    return reduce(lambda some, more: some.unionByName(more, allowMissingColumns=True), frames)
