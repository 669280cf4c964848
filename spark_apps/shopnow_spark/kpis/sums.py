"""Sums of integers that cannot fail, and what is made of them."""

from pyspark.sql import Column
from pyspark.sql import functions as F

WIDE = "decimal(38,0)"
"""A few absurd but valid orders add up to more than 64 bits hold."""


def total(value: Column) -> Column:
    """The sum over a group; 0 without rows. Beyond 64 bits it stops at the highest or lowest number instead of failing the run."""
    return F.greatest(F.least(wide_total(value), F.lit(2**63 - 1)), F.lit(-(2**63))).cast("bigint")


def wide_total(value: Column) -> Column:
    """The sum over a group as a decimal number of 38 digits; 0 without rows."""
    return F.coalesce(F.sum(value.cast(WIDE)), F.lit(0).cast(WIDE))


def ratio(dividend: Column, divisor: Column) -> Column:
    """One whole number divided by another, each as the closest floating-point number; null unless the divisor is positive."""
    return F.when(divisor > 0, dividend.cast("double") / divisor.cast("double"))


def deviation(count: Column, total: Column, squares: Column) -> Column:
    """The standard deviation of a population by its number, sum and sum of squares; null of none, or if it takes more than 38 digits."""
    spread = F.try_subtract(F.try_multiply(count.cast(WIDE), squares), F.try_multiply(total, total))
    return F.when(count > 0, F.sqrt(spread.cast("double")) / count.cast("double"))
