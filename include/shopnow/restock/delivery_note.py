"""Delivery notes of suppliers as CSV files: parsing and validation.

A file is one note with a row per product; `note_number` and `supplier` are the same in every row. Other
columns are ignored. The bytes are checked before the CSV parser sees them, so that every file has a bounded
cost and no byte can change what the parser reads.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from shopnow.alerts.order_suggestion import MAX_QUANTITY

COLUMNS = ("note_number", "supplier", "product_id", "quantity")

MAX_BYTES = 1 << 20
MAX_ROWS = 10_000
MAX_COLUMNS = 100
MAX_LINE_BYTES = 10_000
MAX_PROBLEMS = 10
"""Maximum number of problems reported per note."""
_MAX_LENGTH = 100
_MAX_QUOTED = 60
"""Characters of the file that a problem quotes."""

_SAVE_AS = "save it as CSV in UTF-8"
_SIGNATURES = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF",
}
"""What a file is that begins with these bytes."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONTROL_CHARACTER = re.compile(rb"[^\t\n\r\x20-\x7e\x80-\xff]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_DELIMITERS = (",", ";", "\t")
_BLANKS_AFTER_QUOTE = re.compile(r'" ++(?=[,;\t\r\n]|\Z)')
_DECIMAL = re.compile(r"[-+]?\d+[.,]\d+")


class InvalidNote(Exception):
    """The file is not a valid delivery note; the text has a line per problem."""


class DeliveryNote(NamedTuple):
    number: str
    supplier: str
    items: list[tuple[str, int]]
    """Product id and quantity of each row."""


class _Row(NamedTuple):
    number: int
    """Position below the header, from 1."""
    values: dict[str, str]


def parse(data: bytes) -> DeliveryNote:
    """Parse and validate a CSV file, separated by commas, semicolons or tabs.

    Raises:
        InvalidNote: the file is not a valid delivery note.
    """
    rows = _rows(_decode(data))
    if problems := _row_problems(rows):
        raise InvalidNote(describe(problems))
    first = rows[0].values
    items = [(row.values["product_id"], int(row.values["quantity"])) for row in rows]
    return DeliveryNote(first["note_number"], first["supplier"], items)


def describe(problems: list[str]) -> str:
    """Return the first problems, a line each, and how many more there are."""
    more = [f"… and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
    return "\n".join(problems[:MAX_PROBLEMS] + more)


def _decode(data: bytes) -> str:
    """Check the bytes and return the file's text.

    Raises:
        InvalidNote: the file is too large, is not UTF-8 text, or has a line that is too long.
    """
    if len(data) > MAX_BYTES:
        raise InvalidNote(f"the file is larger than the maximum of {MAX_BYTES >> 20} MiB")
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            raise InvalidNote(f"the file is {name}: {_SAVE_AS}")
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if control := _CONTROL_CHARACTER.search(data):
        byte = control[0][0]
        name = "a NUL byte" if byte == 0 else f"the control character 0x{byte:02x}"
        number = data.count(b"\n", 0, control.start()) + 1
        raise InvalidNote(f"line {number} has {name} (byte {control.start()}): {_SAVE_AS}")
    for number, line in enumerate(_LINE_END.split(data), 1):
        if len(line) > MAX_LINE_BYTES:
            raise InvalidNote(f"line {number}: at most {MAX_LINE_BYTES:,} bytes, has {len(line):,}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidNote(f"the file is not UTF-8 (byte {error.start}): {_SAVE_AS}") from error


def _rows(text: str) -> list[_Row]:
    """Return the rows below the header that are not empty.

    Raises:
        InvalidNote: the text is not CSV with the required columns, or has no rows or too many.
    """
    # `newline=""` keeps line ends in quoted values and splits at no other character, such as U+2028.
    lines = io.StringIO(_BLANKS_AFTER_QUOTE.sub('"', text), newline="")
    first = lines.readline()
    if not text.strip():
        raise InvalidNote("the file is empty")
    lines.seek(0)
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        reader = _values(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))
        header = next(reader)
        if problem := _header_problem(header):
            raise InvalidNote(problem)
        rows: list[_Row] = []
        for number, values in enumerate(reader, 1):
            if not any(values):
                continue
            if len(rows) == MAX_ROWS:
                raise InvalidNote(f"rows: at most {MAX_ROWS:,}, has more; split the note")
            if any(values[len(header) :]):
                raise InvalidNote(
                    f"row {number} has {len(values)} values and the header {len(header)}: quote values that "
                    f'contain {delimiter!r}, such as "a{delimiter}b", and write quantities without decimals'
                )
            named = dict.fromkeys(COLUMNS, "") | dict(zip(header, values, strict=False))
            rows.append(_Row(number, {name: named[name] for name in COLUMNS}))
    except csv.Error as error:
        raise InvalidNote(f"the file is not CSV: {error}") from error
    if not rows:
        raise InvalidNote("no rows below the header")
    return rows


def _values(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the values of each line, in NFC, with single blanks inside and none around."""
    for values in lines:
        if len(values) > MAX_COLUMNS:
            raise InvalidNote(f"columns: at most {MAX_COLUMNS}, has {len(values)}")
        yield [" ".join(unicodedata.normalize("NFC", value).split()) for value in values]


def _header_problem(header: list[str]) -> str | None:
    if missing := [name for name in COLUMNS if name not in header]:
        return (
            f"no column {', '.join(missing)}: the first line must be {','.join(COLUMNS)}, "
            f"and is {_quote(','.join(header))}"
        )
    if duplicates := [name for name in COLUMNS if header.count(name) > 1]:
        return f"duplicate column {', '.join(duplicates)}"
    return None


def _row_problems(rows: list[_Row]) -> list[str]:
    problems = []
    for name in ("note_number", "supplier"):
        if len(different := list(dict.fromkeys(row.values[name] for row in rows))) > 1:
            first, second = map(_quote, different[:2])
            problems.append(f"{name} is {first} and {second}: a file must have one note of one supplier")
    for row in rows:
        for name in COLUMNS:
            if problem := _value_problem(name, row.values[name]):
                problems.append(f"row {row.number}, {name}: {problem}")
    return problems


def _value_problem(column: str, text: str) -> str | None:
    if not text:
        return "missing"
    if len(text) > _MAX_LENGTH:
        return f"at most {_MAX_LENGTH} characters, has {len(text)}"
    if not text.isprintable():
        return f"{_quote(text)} has unprintable characters"
    if column == "quantity" and not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_QUANTITY):
        decimals = "; write it without decimals and separators" if _DECIMAL.fullmatch(text) else ""
        return f"{_quote(text)} is not a whole number from 1 to {MAX_QUANTITY}{decimals}"
    return None


def _quote(text: str) -> str:
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…")
