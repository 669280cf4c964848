"""Compare a KPI table with the oracle."""

from typing import NamedTuple

import pyarrow as pa

from shopnow.audit.kpi_oracle import Oracle
from shopnow.kpis import Kpi

TOLERANCE = 1e-9
"""Relative tolerance of doubles, as no definition fixes the order of their summation."""


class KpiDiff(NamedTuple):
    """Number of rows on either side, number of different rows, and a description of the first of them."""

    rows: int
    different: int
    first: str | None


def diff(oracle: Oracle, kpi: Kpi, expected: str, actual: str) -> KpiDiff:
    """Compare two tables of the oracle's database: the KPI it computed and the KPI read from the lake.

    The first difference is the one with the lowest key; it names table, key, column and both values.
    """
    rest = [column for column in kpi.value_columns if column not in kpi.key_columns]
    same = {column: _same(kpi, column) for column in rest}
    same_key = " AND ".join(
        f'one."{column}" IS NOT DISTINCT FROM other."{column}"' for column in kpi.key_columns
    )
    pairs = f"""
        FROM ({_numbered(kpi, rest, expected)}) AS one
        FULL JOIN ({_numbered(kpi, rest, actual)}) AS other ON {same_key} AND one.nth = other.nth
    """
    differs = f"(one.nth IS NULL OR other.nth IS NULL OR NOT ({' AND '.join(same.values()) or 'TRUE'}))"
    ((rows, different),) = oracle.execute(f"SELECT count(*), count(*) FILTER ({differs}) {pairs}").fetchall()
    if not different:
        return KpiDiff(rows, 0, None)
    selected = [f'coalesce(one."{column}", other."{column}") AS "key {column}"' for column in kpi.key_columns]
    selected += [
        f'one."{column}" AS "one {column}", other."{column}" AS "other {column}", '
        f'{same[column]} AS "same {column}"'
        for column in rest
    ]
    order = ", ".join(f'"key {column}"' for column in kpi.key_columns)
    first = oracle.connection.sql(
        f"SELECT {', '.join(selected)}, one.nth AS one, other.nth AS other {pairs} "
        f"WHERE {differs} ORDER BY {order} LIMIT 1"
    )
    return KpiDiff(rows, different, _describe(kpi, rest, first.to_arrow_table().to_pylist()[0]))


def _numbered(kpi: Kpi, rest: list[str], name: str) -> str:
    """Number the rows of each key by their other columns; as a rule a key has one row."""
    key, others = (", ".join(f'"{column}"' for column in columns) for columns in (kpi.key_columns, rest))
    return f'SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {others}) AS nth FROM "{name}"'  # noqa: S608


def _same(kpi: Kpi, column: str) -> str:
    one, other = f'one."{column}"', f'other."{column}"'
    if not pa.types.is_floating(kpi.schema.field(column).type):
        return f"{one} IS NOT DISTINCT FROM {other}"
    near = f"abs({one} - {other}) <= {TOLERANCE} * greatest(abs({one}), abs({other}))"
    return f"({one} IS NOT DISTINCT FROM {other} OR coalesce({near}, FALSE))"


def _describe(kpi: Kpi, rest: list[str], row: dict) -> str:
    where = f"{kpi.name} {' '.join(str(row[f'key {column}']) for column in kpi.key_columns)}"
    if row["one"] is None:
        return f"{where}: no row by the events, one in the table"
    if row["other"] is None:
        return f"{where}: a row by the events, none in the table"
    column = next(column for column in rest if not row[f"same {column}"])
    expected, actual = _text(row[f"one {column}"]), _text(row[f"other {column}"])
    return f"{where} {column}: {expected} by the events, {actual} in the table"


def _text(value: object) -> str:
    if value is None:
        return "null"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
