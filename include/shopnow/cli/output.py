"""What the commands print: tables for people, JSON for programs, progress on standard error."""

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
    # Nothing is cut or folded in what another program reads, whatever it says of its own width.
    return Console(width=None if sys.stdout.isatty() else 10_000)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    show(text_format.build_table(title, columns, rows))


def fits(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """Whether a table of these is no wider than what it is printed to."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    return sum(widths) + 3 * len(widths) + 1 <= _out().width


def show(*tables: Table) -> None:
    for table in tables:
        _out().print(table)


def say(text: str) -> None:
    _out().print(text, markup=False, highlight=False)


def complain(message: str) -> None:
    print(f"shopnow: {message}", file=sys.stderr)


def reporter() -> Callable[[str, str], None]:
    """A function that prints (subject, what) with the seconds since now; the same line is not said twice."""
    start = time.monotonic()
    said: dict[str, str] = {}
    lock = threading.Lock()

    def report(subject: str, what: str) -> None:
        with lock:
            if said.get(subject) != what:
                said[subject] = what
                _err.print(
                    f"[dim]{time.monotonic() - start:6.1f} s[/dim]  [bold]{escape(subject)}[/bold]  {escape(what)}",
                    highlight=False,
                )

    return report


def minute(at: datetime | None) -> str:
    """A time in UTC, to the minute; nothing for none."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if at else ""
