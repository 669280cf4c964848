"""Delivery notes: what a supplier says they brought, as a CSV file, read and checked.

A file is one note. Each row is a product; `note_number` and `supplier` are the same in all of them. Other columns are passed over.
"""

import io
import warnings
from typing import NamedTuple

import pandas as pd

COLUMNS = ("note_number", "supplier", "product_id", "quantity")

MAX_BYTES = 1 << 20
MAX_QUANTITY = 1_000_000
_MAX_LENGTH = 100
_TOLD = 10
"""So many problems are told of a note."""


class InvalidNote(Exception):
    """The file is no delivery note; its text says why, a line for each problem."""


class DeliveryNote(NamedTuple):
    number: str
    supplier: str
    items: list[tuple[str, int]]
    """Product id and quantity of each row."""


def parse(data: bytes) -> DeliveryNote:
    """The note in a CSV file.

    Raises:
        InvalidNote: it is none.
    """
    rows = _read(data)
    problems = [*_problems_of_columns(rows)] or [*_problems_of_rows(rows)]
    if problems:
        more = [f"… and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise InvalidNote("\n".join(problems[:_TOLD] + more))
    items = list(zip(rows["product_id"], map(int, rows["quantity"]), strict=True))
    return DeliveryNote(rows["note_number"].iloc[0], rows["supplier"].iloc[0], items)


def _read(data: bytes) -> pd.DataFrame:
    """The rows below the columns' names, by their number from 1; text without the blanks around it."""
    if len(data) > MAX_BYTES:
        raise InvalidNote(f"the file is larger than {MAX_BYTES >> 20} MiB")
    try:
        with warnings.catch_warnings():
            # That fields beyond the last column would be dropped is only a warning to pandas.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # The first line is read as any other, since pandas gives columns of the same name other names.
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
        raise InvalidNote(f"the file is no CSV: {' '.join(str(error).split())}") from error
    lines = lines.fillna("").apply(lambda column: column.str.strip())
    rows = lines.iloc[1:].set_axis(lines.iloc[0], axis="columns")
    return rows[rows.ne("").any(axis=1)]


def _problems_of_columns(rows: pd.DataFrame) -> list[str]:
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        return [f"no column {', '.join(missing)}: the first line names them, {','.join(COLUMNS)}"]
    if twice := [name for name in COLUMNS if list(rows.columns).count(name) > 1]:
        return [f"column {', '.join(twice)} is there twice"]
    return [] if len(rows) else ["there is no row below the columns' names"]


def _problems_of_rows(rows: pd.DataFrame) -> list[str]:
    problems = []
    for name in ("note_number", "supplier"):
        if rows[name].nunique() > 1:
            first, second = rows[name].unique()[:2]
            problems.append(f"{name} is {first!r} and {second!r}: a file is one note of one supplier")
    for row in rows.reset_index().to_dict("records"):
        for name in COLUMNS:
            if complaint := _problem(name, row[name]):
                problems.append(f"row {row['index']}, {name}: {complaint}")
    return problems


def _problem(column: str, text: str) -> str | None:
    if not text:
        return "missing"
    if len(text) > _MAX_LENGTH or not text.isprintable():
        return f"is longer than {_MAX_LENGTH} characters, or has some that cannot be printed"
    if column == "quantity" and not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_QUANTITY):
        return f"{text!r} is no whole number from 1 to {MAX_QUANTITY}"
    return None
