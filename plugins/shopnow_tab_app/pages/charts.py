"""Charts as data: what is drawn, shown as a table and given out as JSON is the same."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel


class Series(BaseModel):
    """One line, or one set of bars."""

    name: str
    """A key the pages translate."""
    unit: str
    values: list[float | int | None]


class Chart(BaseModel):
    """`values` of each series stand beside `labels`: times in UTC, days, or keys."""

    name: str
    labels: list[str]
    series: list[Series]


def chart(name: str, rows: Sequence[dict[str, Any]], label: str, **units: str) -> Chart:
    """A chart of rows: the column of the labels, and those of the series with their units."""
    return Chart(
        name=name,
        labels=[text(row[label]) for row in rows],
        series=[
            Series(name=column, unit=unit, values=[row[column] for row in rows])
            for column, unit in units.items()
        ],
    )


def text(value: Any) -> str:
    match value:
        case datetime():
            return value.isoformat(timespec="minutes")
        case date():
            return value.isoformat()
    return str(value)
