"""File statistics in Delta's format, which readers use for file skipping."""

from collections.abc import Mapping

import msgspec

Value = int | str | None


def dumps(
    rows: int, minima: Mapping[str, Value], maxima: Mapping[str, Value], nulls: Mapping[str, int]
) -> str:
    """Return the statistics as JSON; a column of nulls only has no minimum and maximum."""
    statistics = {
        "numRecords": rows,
        "minValues": {name: value for name, value in minima.items() if value is not None},
        "maxValues": {name: value for name, value in maxima.items() if value is not None},
        "nullCount": dict(nulls),
    }
    return msgspec.json.encode(statistics).decode()
