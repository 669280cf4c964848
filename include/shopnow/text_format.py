"""Safe formatting of untrusted values as text and as tables for the terminal."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def printable(text: str) -> str:
    """Escape the control characters of a text, including line ends."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def one_line(text: str, max_length: int = 120) -> str:
    """Collapse a text to one line, without control characters that could forge a mail header."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def excerpt(value: bytes, max_bytes: int) -> str:
    """Return the first `max_bytes` bytes of a value as text, with bytes that are not UTF-8 escaped."""
    return value[:max_bytes].decode(errors="backslashreplace") + "…" * (len(value) > max_bytes)


def build_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Build a table; numeric columns are right-aligned."""
    rows = [list(row) for row in rows]
    rich_table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        rich_table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        rich_table.add_row(*map(_cell, row))
    return rich_table


def render_text(rich_table: Table) -> str:
    """Render the table as plain text, for a log."""
    out = io.StringIO()
    Console(file=out, width=200).print(rich_table)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(printable(str(value)))
