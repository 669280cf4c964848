"""Data of the charts, shared by the drawings, their tables and the JSON export."""

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
    """A chart; the values of each series belong to the labels at the same index: UTC times, days, or keys."""

    name: str
    labels: list[str]
    series: list[Series]
    provisional: list[str] = []
    """Labels whose values have a part that is not in the proved KPI tables yet."""


def chart(
    name: str, rows: Sequence[dict[str, Any]], label: str, provisional: Sequence[Any] = (), **units: str
) -> Chart:
    """Return a chart of rows.

    Args:
        name: name of the chart.
        rows: rows, by column.
        label: column of the labels.
        provisional: labels of rows that are provisional in part.
        units: unit of each series, by column.
    """
    return Chart(
        name=name,
        labels=[text(row[label]) for row in rows],
        series=[
            Series(name=column, unit=unit, values=[row[column] for row in rows])
            for column, unit in units.items()
        ],
        provisional=[text(value) for value in provisional],
    )


def text(value: Any) -> str:
    match value:
        case datetime():
            return value.isoformat(timespec="minutes")
        case date():
            return value.isoformat()
    return str(value)
