"""Output of the commands: tables for people, JSON for programs, progress on standard error."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopnow import text_format

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_err = Console(stderr=True)


def _out() -> Console:
    # Output that another program reads is neither truncated nor wrapped, whatever COLUMNS says.
    return Console(width=None if sys.stdout.isatty() else 10_000)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    show(text_format.build_table(title, columns, rows))


def fits_terminal(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """True if a table of these cells is no wider than the terminal."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    return sum(widths) + 3 * len(widths) + 1 <= _out().width


def show(*tables: Table) -> None:
    for table in tables:
        _out().print(table)


def say(text: str) -> None:
    # A lone surrogate, such as in a file name that is not UTF-8, cannot be written to a terminal.
    _out().print(text.encode(errors="backslashreplace").decode(), markup=False, highlight=False)


def complain(message: str) -> None:
    lines = map(text_format.printable, message.split("\n"))
    print("shopnow:", "\n".join(lines), file=sys.stderr)


def reporter() -> Callable[[str, str], None]:
    """Return a function that prints (subject, status) with the seconds since now, without repetitions."""
    start = time.monotonic()
    printed: dict[str, str] = {}
    lock = threading.Lock()

    def report(subject: str, status: str) -> None:
        with lock:
            if printed.get(subject) == status:
                return
            printed[subject] = status
            seconds = time.monotonic() - start
            line = f"[dim]{seconds:6.1f} s[/dim]  [bold]{escape(subject)}[/bold]  {escape(status)}"
            _err.print(line, highlight=False)

    return report


def minute(at: datetime | None) -> str:
    """Format a time in UTC, to the minute; empty for None."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if at else ""
