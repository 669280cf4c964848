"""CSV text that a spreadsheet opens safely: texts from events must not run as formulas."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")


def format_rows(rows: Iterable[Sequence[Any]], delimiter: str = ",") -> str:
    """Return rows as CSV lines, with formulas escaped."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([escape_formula(value) for value in row] for row in rows)
    return out.getvalue()


def encode_file(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a CSV file with a header, in UTF-8 with the byte order mark that Excel needs."""
    return (format_rows([columns]) + format_rows(rows)).encode("utf-8-sig")


def escape_formula(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula, unless it is a number."""
    if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
