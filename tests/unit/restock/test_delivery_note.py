"""Delivery notes: what is valid, and the problems reported for other files."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopnow.restock import delivery_note
from shopnow.restock.delivery_note import DeliveryNote, InvalidNote, parse
from shopnow.settings import ROOT

HEADER = "note_number,supplier,product_id,quantity\n"
ROW = "N-1,Depot,p-001,5\n"


def problems(data: str | bytes) -> list[str]:
    with pytest.raises(InvalidNote) as error:
        parse(data.encode() if isinstance(data, str) else data)
    return str(error.value).splitlines()


def test_the_example_in_the_docs_is_valid():
    example = (ROOT / "docs" / "examples" / "delivery-note.csv").read_text()
    assert example in (ROOT / "docs" / "restock.md").read_text()
    note = parse(example.encode())
    assert note == DeliveryNote("N-2026-0147", "Regional Depot", [("p-009", 60), ("p-016", 24)])


@pytest.mark.parametrize(
    "data",
    [
        HEADER + ROW,
        "\ufeff" + HEADER.replace("\n", "\r\n") + ROW.replace("\n", "\r\n"),
        HEADER + "\n , , , \n" + ROW.rstrip(),
        HEADER.replace(",", " , ") + ' N-1 , "Depot" , p-001 ,005\n',
        HEADER.replace(",", ";") + ROW.replace(",", ";"),
        HEADER.replace(",", "\t") + ROW.replace(",", "\t"),
        HEADER + ROW.replace("Depot", '"Depot"').replace("\n", ",,\n"),
        HEADER.replace("\n", ",remark\n") + ROW.replace("\n", ',"two\nlines; and \u2028"\n'),
        "comment,quantity,product_id,supplier,note_number\n,5,p-001,Depot,N-1\n",
    ],
)
def test_variants_of_csv_are_read(data):
    assert parse(data.encode()) == DeliveryNote("N-1", "Depot", [("p-001", 5)])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        (HEADER, "no rows below the header"),
        (b"\xe9" + ROW.encode(), "the file is not UTF-8 (byte 0): save it as CSV in UTF-8"),
        (HEADER.encode("utf-16"), "the file is UTF-16: save it as CSV in UTF-8"),
        (HEADER.encode("utf-16-be"), "line 1 has a NUL byte (byte 0)"),
        (b"PK\x03\x04" + ROW.encode(), "the file is a ZIP archive or an Excel workbook"),
        (HEADER + ROW + "N-1,Depot,p-002,6\x000\n", "line 3 has a NUL byte (byte 76)"),
        (HEADER + "N-1,Dep\x1bot,p-001,5\n", "line 2 has the control character 0x1b"),
        ("sep=;\n" + HEADER.replace(",", ";"), "no column note_number, supplier, product_id, quantity"),
        (HEADER + "N-1,Depot,p-001,60,0\n", "row 1 has 5 values and the header 4"),
        (HEADER.replace(",", ";") + "N-1;Depot;p-001;60,0\n", "write it without decimals and separators"),
        (HEADER + 'N-1,Depot,p-001,"1.000"\n', "write it without decimals and separators"),
        (",".join(["x"] * 200), "columns: at most 100, has 200"),
        ("," * 250_000, "line 1: at most 10,000 bytes, has 250,000"),
        (HEADER + ROW + "," * 10_001, "line 3: at most 10,000 bytes, has 10,001"),
        (HEADER + "N,D,p,1\n" * 10_001, "rows: at most 10,000, has more"),
        ("note_number,supplier,product_id\nN-1,Depot,p-001\n", "no column quantity"),
        (HEADER + ROW + "N-1,Depot,p-002,5,6\n", "row 2 has 5 values"),
        (HEADER + 'N-1,"Depot,p-001,5\n', "the file is not CSV"),
        (HEADER + ROW.replace("\n", ',"open\n') + ROW, "the file is not CSV: unexpected end of data"),
        (HEADER + "N-1,Depot,p-001\n", "row 1, quantity: missing"),
        (HEADER + ROW + "\nN-1,Depot,,5\n", "row 3, product_id: missing"),
        *(
            (HEADER + f"N-1,Depot,p-001,{text}\n", "row 1, quantity: ")
            for text in ("0", "-1", "1.0", "1e3", "five", "1000001", "٣", "nan")
        ),
        (HEADER + ROW + "N-2,Depot,p-001,5\n", "note_number is 'N-1' and 'N-2'"),
        (HEADER + "N-1,Dep\u200bot,p-001,5\n", "row 1, supplier: 'Dep\\u200bot' has unprintable"),
        (HEADER + f"N-1,{'D' * 101},p-001,5\n", "row 1, supplier: at most 100 characters, has 101"),
        (
            "note_number,note_number,supplier,product_id,quantity\n1,2,3,4,5\n",
            "duplicate column note_number",
        ),
        (HEADER + ROW * 100_000, "larger than the maximum of 1 MiB"),
    ],
)
def test_problems_are_reported(data, expected):
    assert any(expected in problem for problem in problems(data)), problems(data)


def test_only_the_first_problems_of_many_are_listed():
    assert problems(HEADER + "N-1,Depot,p-001,x\n" * 25)[-1] == "… and 15 more"


def test_a_file_of_commas_has_a_bounded_cost():
    started = time.process_time()
    for data in (
        "," * 250_000,
        HEADER + ",\n" * 500_000,
        HEADER + ('"' * 9_000 + "\n") * 100,
        "\r" * 900_000,
    ):
        problems(data)
    assert time.process_time() - started < 5


def test_text_is_normalized():
    decomposed = HEADER + "N-1,De\u0301po\u0302t \u00a0 Lyon,p-001,5\n"
    assert parse(decomposed.encode()).supplier == "D\u00e9p\u00f4t Lyon"


FIELDS = st.one_of(
    st.sampled_from(["N-1", "Depot", "p-001", "5", "", '"', "\x00", "a\nb"]), st.text(max_size=8)
)
FILES = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=40).map(lambda tail: HEADER.encode() + ROW.encode() + tail),
    st.lists(st.lists(FIELDS, min_size=3, max_size=5).map(",".join), max_size=4).map(
        lambda rows: (HEADER + "\n".join(rows)).encode("utf-8", "replace")
    ),
)


@settings(max_examples=100)
@given(FILES)
def test_any_file_is_either_valid_or_rejected(data):
    try:
        note = parse(data)
    except InvalidNote as error:
        assert str(error)  # noqa: PT017
        return
    assert note.items
    assert all(1 <= quantity <= delivery_note.MAX_QUANTITY for _, quantity in note.items)
    assert note.number.strip()
    assert note.supplier.strip()
