"""What is a delivery note, and what is said of what is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopnow.restock import delivery_note
from shopnow.restock.delivery_note import DeliveryNote, InvalidNote, parse
from shopnow.settings import ROOT

HEAD = "note_number,supplier,product_id,quantity\n"
ROW = "N-1,Depot,p-001,5\n"


def problems(data: str | bytes) -> list[str]:
    with pytest.raises(InvalidNote) as error:
        parse(data.encode() if isinstance(data, str) else data)
    return str(error.value).splitlines()


def test_the_example_in_the_docs_is_one():
    example = (ROOT / "docs" / "examples" / "delivery-note.csv").read_text()
    assert example in (ROOT / "docs" / "restock.md").read_text()
    note = parse(example.encode())
    assert note == DeliveryNote("N-2026-0147", "Regional Depot", [("p-009", 60), ("p-016", 24)])


@pytest.mark.parametrize(
    "data",
    [
        HEAD + ROW,
        "\ufeff" + HEAD.replace("\n", "\r\n") + ROW.replace("\n", "\r\n"),
        HEAD + "\n , , , \n" + ROW.rstrip(),
        HEAD.replace(",", " , ") + ' N-1 , "Depot" , p-001 ,005\n',
        "comment,quantity,product_id,supplier,note_number\n,5,p-001,Depot,N-1\n",
    ],
)
def test_is_read_however_it_is_written(data):
    assert parse(data.encode()) == DeliveryNote("N-1", "Depot", [("p-001", 5)])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        (HEAD, "there is no row"),
        (b"\xff\xfe", "the file is not UTF-8 (byte 0)"),
        (
            HEAD.replace(",", ";") + ROW.replace(",", ";"),
            "no column note_number, supplier, product_id, quantity",
        ),
        ("note_number,supplier,product_id\nN-1,Depot,p-001\n", "no column quantity"),
        (HEAD + ROW + "N-1,Depot,p-002,5,6\n", "the file is no CSV"),
        (HEAD + "N-1,Depot,p-001,5,6\n", "the file is no CSV"),
        (HEAD + 'N-1,"Depot,p-001,5\n', "the file is no CSV"),
        (HEAD + "N-1,Depot,p-001\n", "row 1, quantity: missing"),
        (HEAD + ROW + "\nN-1,Depot,,5\n", "row 3, product_id: missing"),
        *(
            (HEAD + f"N-1,Depot,p-001,{text}\n", "row 1, quantity: ")
            for text in ("0", "-1", "1.0", "1e3", "five", "1000001", "٣", "nan")
        ),
        (HEAD + ROW + "N-2,Depot,p-001,5\n", "note_number is 'N-1' and 'N-2'"),
        (HEAD + "N-1,Dep\x1bot,p-001,5\n", "row 1, supplier: "),
        (
            "note_number,note_number,supplier,product_id,quantity\n1,2,3,4,5\n",
            "column note_number is there twice",
        ),
        (HEAD + ROW * 100_000, "larger than 1 MiB"),
    ],
)
def test_says_what_is_wrong(data, said):
    assert any(said in problem for problem in problems(data)), problems(data)


def test_tells_the_first_problems_of_many():
    assert problems(HEAD + "N-1,Depot,p-001,x\n" * 25)[-1] == "… and 15 more"


FIELDS = st.one_of(
    st.sampled_from(["N-1", "Depot", "p-001", "5", "", '"', "\x00", "a\nb"]), st.text(max_size=8)
)
FILES = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=40).map(lambda tail: HEAD.encode() + ROW.encode() + tail),
    st.lists(st.lists(FIELDS, min_size=3, max_size=5).map(",".join), max_size=4).map(
        lambda rows: (HEAD + "\n".join(rows)).encode("utf-8", "replace")
    ),
)


@settings(max_examples=300, deadline=None)
@given(FILES)
def test_whatever_is_dropped_is_a_note_or_not(data):
    try:
        note = parse(data)
    except InvalidNote as error:
        assert str(error)  # noqa: PT017
        return
    assert note.items
    assert all(1 <= quantity <= delivery_note.MAX_QUANTITY for _, quantity in note.items)
    assert note.number.strip()
    assert note.supplier.strip()
