import random

from hypothesis import given
from hypothesis import strategies as st

from shopnow.lake.delta.checksum import Digest, digest

Record = tuple[int, bytes | None, bytes | None]

records = st.lists(
    st.tuples(st.integers(0, 2**62), st.none() | st.binary(max_size=5), st.none() | st.binary(max_size=5)),
    min_size=1,
    max_size=8,
    unique_by=lambda record: record[0],
)


def of(rows: list[Record], partition: int = 0) -> Digest:
    offsets, keys, values = zip(*rows, strict=True) if rows else ((), (), ())
    return digest(partition, offsets, keys, values)


@given(records, st.randoms())
def test_does_not_depend_on_order(rows: list[Record], chance: random.Random) -> None:
    assert of(chance.sample(rows, len(rows))) == of(rows)


@given(records, st.integers(0, 8))
def test_disjoint_sets_add_up(rows: list[Record], cut: int) -> None:
    assert of(rows[:cut]) + of(rows[cut:]) == of(rows)
    assert of(rows) - of(rows[:cut]) == of(rows[cut:])


@given(records, records)
def test_different_sets_differ(rows: list[Record], others: list[Record]) -> None:
    assert (str(of(rows)) == str(of(others))) == (sorted(rows, key=repr) == sorted(others, key=repr))


def test_tells_apart_what_is_easily_mixed_up() -> None:
    digests = [
        of([(1, b"k", b"a"), (2, b"k", b"b")]),
        of([(1, b"k", b"b"), (2, b"k", b"a")]),
        of([(1, b"k", b"a"), (2, b"k", b"b")], partition=1),
        of([(1, b"k", b"a")]),
        of([(1, b"k", b"a")] * 2),
        of([(1, b"a", b"k")]),
        of([(1, None, b"a")]),
        of([(1, b"", b"a")]),
        of([(1, b"k", None)]),
        of([(1, b"k", b"")]),
        of([(1, b"k", b"\xff" * 16)]),
    ]
    assert len({str(each) for each in digests}) == len(digests)


def test_is_the_same_for_ever() -> None:
    """Receipts keep digests: one computed later must not differ."""
    assert (
        str(of([(1, b"key", b"value"), (2, None, None)], partition=3)) == "b508bc96c65b2c49f5e7fafdcfa31aa7"
    )


@given(records)
def test_text_and_back(rows: list[Record]) -> None:
    whole = of(rows)
    assert Digest.parse(whole.rows, str(whole)) == whole
