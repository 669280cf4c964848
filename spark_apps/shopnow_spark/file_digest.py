"""Order-independent digests of the rows of files, and statistics of each file."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType, TimestampType

from shopnow.lake.delta import stats


class Digest(NamedTuple):
    """Digest of a set of rows: their number and the sums of two hashes over all columns."""

    rows: int = 0
    first: int = 0
    second: int = 0

    def __str__(self) -> str:
        return f"{self.first % 2**64:016x}{self.second % 2**64:016x}"


class MeasuredFile(NamedTuple):
    """A file with its address, size in bytes, digest, and statistics in Delta's JSON form."""

    address: str
    size: int
    digest: Digest
    statistics: str


def digest(rows: DataFrame) -> Digest:
    """Return the digest of a frame's rows."""
    return _digest(rows.agg(*_lanes(rows)).first())


def combine(digests: Iterable[Digest]) -> Digest:
    """Return the digest of the union of disjoint sets of rows."""
    return Digest(*(sum(figures) for figures in zip(Digest(), *digests, strict=True)))


def measure_files(rows: DataFrame, columns: Sequence[str]) -> list[MeasuredFile]:
    """Measure each non-empty file of a frame read from files, with statistics of these columns."""
    file = [F.col("_metadata.file_path").alias("address"), F.col("_metadata.file_size").alias("size")]
    figures = [
        *_lanes(rows),
        *(figure for name in columns for figure in _extremes(name, rows.schema[name].dataType)),
    ]
    return [
        MeasuredFile(
            row["address"],
            row["size"],
            _digest(row),
            stats.dumps(
                row["rows"],
                *(
                    {name: row[f"{figure} {name}"] for name in columns}
                    for figure in ("least", "greatest", "nulls")
                ),
            ),
        )
        for row in rows.groupBy(*file).agg(*figures).collect()
    ]


def _digest(row: Row) -> Digest:
    return Digest(row["rows"], int(row["first"] or 0), int(row["second"] or 0))


def _lanes(rows: DataFrame) -> list[Column]:
    values = [part for field in rows.schema for part in _hashed(F.col(f"`{field.name}`"), field.dataType)]
    # Decimals, as sums of 64-bit numbers overflow.
    first, second = (F.sum(F.xxhash64(F.lit(lane), *values).cast("decimal(20,0)")) for lane in (1, 2))
    return [F.count("*").alias("rows"), first.alias("first"), second.alias("second")]


def _hashed(column: Column, kind: DataType) -> tuple[Column, Column]:
    """Return the values to hash of a column, with a null flag, as xxhash64 skips nulls."""
    nested = isinstance(kind, ArrayType | MapType | StructType)
    return F.to_json(column, {"ignoreNullFields": "false"}) if nested else column, column.isNull()


def _extremes(name: str, kind: DataType) -> list[Column]:
    column = F.col(f"`{name}`")
    least, greatest = F.min(column), F.max(column)
    if isinstance(kind, TimestampType):
        # Delta's statistics have milliseconds and must enclose every row, so the maximum is rounded up.
        least, greatest = _milliseconds(least), _milliseconds(greatest + F.expr("INTERVAL 999 MICROSECONDS"))
    return [
        least.alias(f"least {name}"),
        greatest.alias(f"greatest {name}"),
        F.count_if(column.isNull()).alias(f"nulls {name}"),
    ]


def _milliseconds(time: Column) -> Column:
    return F.date_format(time, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
