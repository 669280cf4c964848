"""Files of the storm for the restock inbox: valid delivery notes among files that only look like one."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from shopnow.restock.delivery_note import COLUMNS, MAX_BYTES, MAX_ROWS
from shopnow.traffic.catalogue import CATALOGUE

RECEIVED, REJECTED = "done", "rejected"
"""Folders of the archive in which a file must end."""
VALID_SHARE = 0.25

_NAMES = (
    *("note", " note ", "-rf", "=cmd|'calc'!A0", "$(reboot)", "`id`", "; rm x", "%2e%2e%2f", "%00", "a%"),
    *(
        "<script>",
        "{{ 7*7 }}",
        "con",
        "nul.txt",
        "note.csv",
        "note..",
        "e\u0301té",
        "été",
        "\u202enote",
        "😀",
    ),
    *("a\\b", '"quoted"', "'quoted'", "new\nline", "tab\t", "?op=DELETE&x=", "#x", "a&b", "x" * 200),
    *("日" * 60, "+plus", "~", "*", "|", "note.tmp", "\u2028", "\x7f"),
)
_SUFFIXES = (".csv", ".csv", ".CSV", ".Csv")


class HostileNote(NamedTuple):
    """A file, and the folder in which it must end."""

    name: str
    data: bytes
    folder: str


def generate(rng: Random, count: int) -> list[HostileNote]:
    """Generate files in random order; each has a name of its own."""
    valid = int(count * VALID_SHARE)
    contents = [(_valid(rng, number), RECEIVED) for number in range(valid)]
    contents += [(_BAD[number % len(_BAD)](rng), REJECTED) for number in range(count - valid)]
    rng.shuffle(contents)
    return [
        HostileNote(f"{rng.choice(_NAMES)}-{number}{rng.choice(_SUFFIXES)}", data, folder)
        for number, (data, folder) in enumerate(contents)
    ]


def _valid(rng: Random, number: int) -> bytes:
    """Return a note of one piece of a product, in one of the spellings of CSV that are read."""
    product = rng.choice(CATALOGUE).product_id
    delimiter = rng.choice(",;\t")
    supplier = rng.choice(("Storm", "=Storm()", "<b>Storm</b>", "Sto\u0308rm", "storm' --"))
    values = (f"storm-{rng.getrandbits(64):x}-{number}", supplier, product, "1")
    text = "\n".join(delimiter.join(row) for row in (COLUMNS, values)) + rng.choice(("", "\n", "\n\n"))
    return rng.choice(("", "\ufeff")).encode() + text.replace("\n", rng.choice(("\n", "\r\n"))).encode()


def _row(*values: str) -> Callable[[Random], bytes]:
    """Return a maker of notes with this row, in which `#` stands for a number that is not used twice."""

    def make(rng: Random) -> bytes:
        row = ",".join(values).replace("#", f"storm-{rng.getrandbits(64):x}")
        return f"{','.join(COLUMNS)}\n{row}\n".encode(errors="surrogatepass")

    return make


def _of(data: bytes) -> Callable[[Random], bytes]:
    """Return a maker of files with this content, and a comment that makes each of them another file."""
    return lambda rng: data + b"\n#%x" % rng.getrandbits(64)


_HEADER = ",".join(COLUMNS).encode()
_BAD: tuple[Callable[[Random], bytes], ...] = (
    lambda rng: b"",
    lambda rng: rng.randbytes(rng.randrange(1, 5000)) + b"\xff",
    lambda rng: rng.randbytes(1) + b"\0" * 1000,
    *map(
        _of, (b"\n\n", _HEADER, b"sep=;", b"\xff\xfe" + "a,b".encode("utf-16-le"), b"PK\x03\x04", b"%PDF-1.7")
    ),
    *map(_of, (b"\x1f\x8b", b"," * 250_000, b'"' * 9_000, b"\r" * 900_000, b"x," * 4_000, b"{}", b"<xml/>")),
    *map(_of, (_HEADER + b"\n" + b"N,D,p-001,1\n" * (MAX_ROWS + 1), b"x" * (MAX_BYTES + 1))),
    *map(_of, (_HEADER + b"\nN-1,Depot\x1b,p-001,5", _HEADER + b'\nN-1,"Depot,p-001,5', _HEADER * 2)),
    _row("#", "Storm", "p-001", "60", "0"),
    *(
        _row("#", "Storm", "p-001", quantity)
        for quantity in ("0", "-1", "1e3", "1.0", '"1,5"', "=1+1", "٣", "9" * 90, "nan", "", "1000001")
    ),
    *(
        _row("#", "Storm", product, "1")
        for product in ("", "p-999", "../p-001", "=p-001", "p-001\0", "x" * 101)
    ),
    *(_row(number, "Storm", "p-001", "1") for number in ("", "\u200b", "x" * 101, "\ud800", "\u202e")),
)
"""Makers of files that are not valid delivery notes of the shop."""
