"""KPI figures as a person writes them, told by the unit of their definition."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from shopnow.text_format import one_line

AS_THE_FIGURE = "as the figure"
"""The unit of a value whose row names, in the column `figure`, what it is a value of."""


def definition_of(field: pa.Field) -> str:
    """What a column means, in words."""
    return field.metadata[b"comment"].decode().replace("`", "")


def unit_of(field: pa.Field, row: Mapping[str, Any] | None = None) -> str:
    """The unit of a column, or of its value in a row."""
    unit = field.metadata[b"unit"].decode()
    if unit == AS_THE_FIGURE and row is not None:
        return unit_of_figure(row["figure"])
    return unit


def unit_of_figure(figure: str) -> str:
    """The unit of a figure, as far as its name tells: cents or none."""
    return "cents" if figure.endswith("_cents") else ""


def column_label(column: str, columns: Collection[str] = ()) -> str:
    """A column's name where its amounts are not in cents; not that of another of the columns."""
    short = column.removesuffix("_cents")
    return f"{short}_amount" if short != column and short in columns else short


def heading(column: str, columns: Collection[str] = ()) -> str:
    """A column's name as a heading, beside those of other columns: `gmv_cents` is GMV."""
    words = column_label(column, columns).replace("_", " ")
    return "GMV" if words == "gmv" else words


def format_value(value: Any, unit: str = "", currency: str | None = None, none: str = "") -> str:
    """A value with its unit; money with its currency, if that is not said beside it."""
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
    """A relative change, with its direction."""
    if value is None:
        return none
    arrow = "▲" if value > 0 else "▼" if value < 0 else "="
    return f"{arrow} {abs(value):.1%}".replace("%", " %")


def format_duration(seconds: int) -> str:
    """A time span in its two largest units."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
