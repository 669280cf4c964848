from datetime import UTC, datetime

import pytest

from shopnow_spark import file_digest
from shopnow_spark.file_digest import Digest

DDL = "id BIGINT, text STRING, data BINARY, at TIMESTAMP, list ARRAY<STRUCT<key: STRING, value: BINARY>>"
ROW = (
    1,
    "a",
    bytearray(b"\x00\xff"),
    datetime(2026, 11, 1, tzinfo=UTC),
    [("k", None), (None, bytearray(b"k"))],
)


def digest(spark, *rows) -> Digest:
    return file_digest.digest(spark.createDataFrame(rows, DDL))


@pytest.fixture(scope="module")
def digest_of_row(spark) -> Digest:
    return digest(spark, ROW)


def changed(index: int, value) -> tuple:
    return (*ROW[:index], value, *ROW[index + 1 :])


def test_digests_ignore_order_and_are_additive(spark):
    first, second = digest(spark, ROW), digest(spark, changed(0, 2))
    assert (
        digest(spark, ROW, changed(0, 2))
        == digest(spark, changed(0, 2), ROW)
        == file_digest.combine([first, second])
    )
    assert file_digest.combine([]) == digest(spark) == Digest()


@pytest.mark.parametrize(
    "changed_row",
    [
        changed(0, None),
        changed(1, ""),
        changed(1, None),
        changed(2, None),
        changed(2, bytearray(b"\x00")),
        changed(3, datetime(2026, 11, 1, microsecond=1, tzinfo=UTC)),
        changed(4, None),
        changed(4, []),
        changed(4, [("k", bytearray(b"k"))]),
        changed(4, [(None, bytearray(b"k")), ("k", None)]),
        changed(4, [("k", None), ("k", None)]),
    ],
)
def test_every_value_and_every_null_changes_the_digest(spark, digest_of_row, changed_row):
    assert digest(spark, changed_row) != digest_of_row


def test_a_repeated_and_a_missing_row_change_the_digest(spark, digest_of_row):
    repeated = digest(spark, ROW, ROW)
    assert repeated != digest_of_row
    # If the hashes were combined by XOR, two equal rows would cancel each other.
    assert repeated[1:] != Digest()[1:]
