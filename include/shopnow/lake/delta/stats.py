"""A file's statistics as Delta keeps them, by which readers skip files."""

import json
from collections.abc import Mapping

Value = int | str | None


def dumps(
    rows: int, least: Mapping[str, Value], greatest: Mapping[str, Value], nulls: Mapping[str, int]
) -> str:
    """The statistics as JSON, from the extremes and null counts by column; a column of nulls only has no extremes."""
    return json.dumps(
        {
            "numRecords": rows,
            "minValues": {name: value for name, value in least.items() if value is not None},
            "maxValues": {name: value for name, value in greatest.items() if value is not None},
            "nullCount": dict(nulls),
        }
    )
