"""Sums of integers that cannot fail."""

from pyspark.sql import Column
from pyspark.sql import functions as F

WIDE = "decimal(38,0)"
"""A few absurd but valid orders add up to more than 64 bits hold."""


def total(value: Column) -> Column:
    """The sum over a group; 0 without rows. Beyond 64 bits it stops at the highest number instead of failing the run."""
    return F.least(F.coalesce(F.sum(value.cast(WIDE)), F.lit(0)), F.lit(2**63 - 1)).cast("bigint")
