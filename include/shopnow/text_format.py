"""Tables for people, whatever is in them."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def printable(text: str) -> str:
    """The text with its control characters, line ends among them, written out."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def one_line(text: str, longest: int = 120) -> str:
    """The text on one line, without control characters, which could forge a mail header or hide what follows."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def excerpt(value: bytes, most: int) -> str:
    """The first bytes of a value as text, `most` at most; what is no UTF-8 is written out."""
    return value[:most].decode(errors="backslashreplace") + "…" * (len(value) > most)


def build_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table; columns of numbers are aligned right."""
    rows = [list(row) for row in rows]
    made = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def render_text(made: Table) -> str:
    """The table as lines of text, for a log."""
    out = io.StringIO()
    Console(file=out, width=200).print(made)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(printable(str(value)))
