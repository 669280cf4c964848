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


def changed(index: int, value) -> tuple:
    return (*ROW[:index], value, *ROW[index + 1 :])


def test_order_does_not_matter_and_parts_add_up(spark):
    one, other = digest(spark, ROW), digest(spark, changed(0, 2))
    assert (
        digest(spark, ROW, changed(0, 2))
        == digest(spark, changed(0, 2), ROW)
        == file_digest.combine([one, other])
    )
    assert file_digest.combine([]) == digest(spark) == Digest()


@pytest.mark.parametrize(
    "other",
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
def test_each_value_and_each_null_counts(spark, other):
    assert digest(spark, other) != digest(spark, ROW)


def test_a_repeated_row_and_a_lost_one_count(spark):
    assert digest(spark, ROW, ROW) != digest(spark, ROW)
    # Had the hashes been combined by exclusive or, two of the same would be none.
    assert digest(spark, ROW, ROW)[1:] != Digest()[1:]
