"""Delivery notes of suppliers as CSV files: parsing and validation.

A file is one note with a row per product; `note_number` and `supplier` are the same in every row. Other
columns are ignored.
"""

import io
import warnings
from typing import NamedTuple

import pandas as pd

COLUMNS = ("note_number", "supplier", "product_id", "quantity")

MAX_BYTES = 1 << 20
MAX_QUANTITY = 1_000_000
_MAX_LENGTH = 100
_MAX_PROBLEMS = 10
"""Maximum number of problems reported per note."""


class InvalidNote(Exception):
    """The file is not a valid delivery note; the text has a line per problem."""


class DeliveryNote(NamedTuple):
    number: str
    supplier: str
    items: list[tuple[str, int]]
    """Product id and quantity of each row."""


def parse(data: bytes) -> DeliveryNote:
    """Parse and validate a CSV file.

    Raises:
        InvalidNote: the file is not a valid delivery note.
    """
    rows = _read(data)
    problems = _column_problems(rows) or _row_problems(rows)
    if problems:
        more = [f"… and {len(problems) - _MAX_PROBLEMS} more"] if len(problems) > _MAX_PROBLEMS else []
        raise InvalidNote("\n".join(problems[:_MAX_PROBLEMS] + more))
    items = list(zip(rows["product_id"], map(int, rows["quantity"]), strict=True))
    return DeliveryNote(rows["note_number"].iloc[0], rows["supplier"].iloc[0], items)


def _read(data: bytes) -> pd.DataFrame:
    """Return the rows below the header, indexed from 1, with surrounding blanks removed."""
    if len(data) > MAX_BYTES:
        raise InvalidNote(f"the file is larger than the maximum of {MAX_BYTES >> 20} MiB")
    try:
        with warnings.catch_warnings():
            # pandas only warns when it drops fields beyond the last column.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Read the header as data, because pandas renames duplicate columns.
            lines = pd.read_csv(
                io.StringIO(data.decode("utf-8-sig")),
                header=None,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
                skipinitialspace=True,
            )
    except UnicodeDecodeError as error:
        raise InvalidNote(f"the file is not UTF-8 (byte {error.start})") from error
    except pd.errors.EmptyDataError as error:
        raise InvalidNote("the file is empty") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise InvalidNote(f"the file is not CSV: {' '.join(str(error).split())}") from error
    lines = lines.fillna("").apply(lambda column: column.str.strip())
    rows = lines.iloc[1:].set_axis(lines.iloc[0], axis="columns")
    return rows[rows.ne("").any(axis=1)]


def _column_problems(rows: pd.DataFrame) -> list[str]:
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        return [f"no column {', '.join(missing)}: the first line must be {','.join(COLUMNS)}"]
    if duplicates := [name for name in COLUMNS if list(rows.columns).count(name) > 1]:
        return [f"duplicate column {', '.join(duplicates)}"]
    return [] if len(rows) else ["no rows below the header"]


def _row_problems(rows: pd.DataFrame) -> list[str]:
    problems = []
    for name in ("note_number", "supplier"):
        if rows[name].nunique() > 1:
            first, second = rows[name].unique()[:2]
            problems.append(f"{name} is {first!r} and {second!r}: a file must have one note of one supplier")
    for row in rows.reset_index().to_dict("records"):
        for name in COLUMNS:
            if problem := _value_problem(name, row[name]):
                problems.append(f"row {row['index']}, {name}: {problem}")
    return problems


def _value_problem(column: str, text: str) -> str | None:
    if not text:
        return "missing"
    if len(text) > _MAX_LENGTH or not text.isprintable():
        return f"longer than {_MAX_LENGTH} characters, or has unprintable characters"
    if column == "quantity" and not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_QUANTITY):
        return f"{text!r} is not a whole number from 1 to {MAX_QUANTITY}"
    return None
