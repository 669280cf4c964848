"""Rows of Spark DataFrames in a form that tests can compare."""

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def rows(frame: DataFrame, *columns: str, where: str = "true") -> list[tuple]:
    """Return these columns of the rows, sorted by value with nulls last.

    Dates and times are text, because Spark has some that Python's `date` and `datetime` cannot represent.
    """
    types = dict(frame.select(*columns).dtypes)
    selected = [
        F.col(name).cast("string") if types[name] in {"date", "timestamp"} else name for name in columns
    ]
    values = map(tuple, frame.where(where).select(*selected).collect())
    return sorted(values, key=_sort_key)


def _sort_key(row: tuple) -> list[tuple[bool, Any]]:
    return [(value is None, value) for value in row]
