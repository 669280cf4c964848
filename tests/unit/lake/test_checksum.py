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


def digest_of(rows: list[Record], partition: int = 0) -> Digest:
    offsets, keys, values = zip(*rows, strict=True) if rows else ((), (), ())
    return digest(partition, offsets, keys, values)


@given(records, st.randoms())
def test_does_not_depend_on_order(rows: list[Record], chance: random.Random) -> None:
    assert digest_of(chance.sample(rows, len(rows))) == digest_of(rows)


@given(records, st.integers(0, 8))
def test_disjoint_sets_add_up(rows: list[Record], index: int) -> None:
    assert digest_of(rows[:index]) + digest_of(rows[index:]) == digest_of(rows)
    assert digest_of(rows) - digest_of(rows[:index]) == digest_of(rows[index:])


@given(records, records)
def test_different_sets_differ(rows: list[Record], other_rows: list[Record]) -> None:
    assert (str(digest_of(rows)) == str(digest_of(other_rows))) == (
        sorted(rows, key=repr) == sorted(other_rows, key=repr)
    )


def test_similar_sets_have_different_digests() -> None:
    digests = [
        digest_of([(1, b"k", b"a"), (2, b"k", b"b")]),
        digest_of([(1, b"k", b"b"), (2, b"k", b"a")]),
        digest_of([(1, b"k", b"a"), (2, b"k", b"b")], partition=1),
        digest_of([(1, b"k", b"a")]),
        digest_of([(1, b"k", b"a")] * 2),
        digest_of([(1, b"a", b"k")]),
        digest_of([(1, None, b"a")]),
        digest_of([(1, b"", b"a")]),
        digest_of([(1, b"k", None)]),
        digest_of([(1, b"k", b"")]),
        digest_of([(1, b"k", b"\xff" * 16)]),
    ]
    assert len({str(value) for value in digests}) == len(digests)


def test_the_algorithm_never_changes() -> None:
    """Receipts store digests, so a digest of the same records must be the same in every release."""
    assert (
        str(digest_of([(1, b"key", b"value"), (2, None, None)], partition=3))
        == "b508bc96c65b2c49f5e7fafdcfa31aa7"
    )


@given(records)
def test_parse_reverses_str(rows: list[Record]) -> None:
    value = digest_of(rows)
    assert Digest.parse(value.rows, str(value)) == value
