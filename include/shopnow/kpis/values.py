"""Formatting of KPI values for people, by the unit of their definition."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from shopnow.text_format import one_line

AS_THE_FIGURE = "as the figure"
"""Unit of a column whose values have the unit of the figure that the row names in its column `figure`."""


def definition_of(field: pa.Field) -> str:
    """Return the definition of a column in words."""
    return field.metadata[b"comment"].decode().replace("`", "")


def unit_of(field: pa.Field, row: Mapping[str, Any] | None = None) -> str:
    """Return the unit of a column, or of its value in the given row."""
    unit = field.metadata[b"unit"].decode()
    if unit == AS_THE_FIGURE and row is not None:
        return unit_of_figure(row["figure"])
    return unit


def unit_of_figure(figure: str) -> str:
    """Return the unit of a figure by its name: cents or none."""
    return "cents" if figure.endswith("_cents") else ""


def column_label(column: str, columns: Collection[str] = ()) -> str:
    """Return a column's name without the suffix `_cents`, made unique among the other columns."""
    short = column.removesuffix("_cents")
    return f"{short}_amount" if short != column and short in columns else short


def heading(column: str, columns: Collection[str] = ()) -> str:
    """Return a column's name as a heading, unique among the other columns; `gmv_cents` is GMV."""
    words = column_label(column, columns).replace("_", " ")
    return "GMV" if words == "gmv" else words


def format_value(value: Any, unit: str = "", currency: str | None = None, none: str = "") -> str:
    """Format a value by its unit.

    Args:
        currency: appended to amounts; None if shown elsewhere.
        none: text for None.
    """
    match value:
        case None:
            return none
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
        case date():
            return str(value)
        case int() | float() if unit == "cents":
            return f"{value / 100:,.2f} {currency or ''}".rstrip()
        case int() | float() if unit == "share":
            return f"{value:.1%}".replace("%", " %")
        case int() if unit == "seconds":
            return format_duration(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case list():
            return ", ".join(map(str, value))
    return one_line(str(value))


def format_change(value: float | None, none: str = "–") -> str:
    """Format a relative change with its direction."""
    if value is None:
        return none
    arrow = "▲" if value > 0 else "▼" if value < 0 else "="
    return f"{arrow} {abs(value):.1%}".replace("%", " %")


def format_duration(seconds: int) -> str:
    """Format a time span in its two largest units."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
