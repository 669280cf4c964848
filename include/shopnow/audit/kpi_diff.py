"""Where a KPI table says otherwise than the oracle."""

from typing import NamedTuple

import pyarrow as pa

from shopnow.audit.kpi_oracle import Oracle
from shopnow.kpis import Kpi

TOLERANCE = 1e-9
"""Doubles may differ by so much of the greater of the two: in what order they are added up no definition says."""


class Differences(NamedTuple):
    """How many rows there are on either side, how many of them are not the same on both, and what the first of these is."""

    rows: int
    different: int
    first: str | None


def differences(oracle: Oracle, kpi: Kpi, by_events: str, found: str) -> Differences:
    """Compares two tables of the oracle that have the content of a KPI: what it worked out, and what was found in the lake.

    The first difference is that of the least key, in words: table, key, column and both values.
    """
    rest = [column for column in kpi.content if column not in kpi.key]
    same = {column: _same(kpi, column) for column in rest}
    same_key = " AND ".join(f'one."{column}" IS NOT DISTINCT FROM other."{column}"' for column in kpi.key)
    pairs = f"""
        FROM ({_numbered(kpi, rest, by_events)}) AS one
        FULL JOIN ({_numbered(kpi, rest, found)}) AS other ON {same_key} AND one.nth = other.nth
    """
    differs = f"(one.nth IS NULL OR other.nth IS NULL OR NOT ({' AND '.join(same.values()) or 'TRUE'}))"
    ((rows, different),) = oracle.execute(f"SELECT count(*), count(*) FILTER ({differs}) {pairs}").fetchall()
    if not different:
        return Differences(rows, 0, None)
    shown = [f'coalesce(one."{column}", other."{column}") AS "key {column}"' for column in kpi.key]
    shown += [
        f'one."{each}" AS "one {each}", other."{each}" AS "other {each}", {same[each]} AS "same {each}"'
        for each in rest
    ]
    order = ", ".join(f'"key {column}"' for column in kpi.key)
    first = oracle.connection.sql(
        f"SELECT {', '.join(shown)}, one.nth AS one, other.nth AS other {pairs} WHERE {differs} ORDER BY {order} LIMIT 1"
    )
    return Differences(rows, different, _in_words(kpi, rest, first.to_arrow_table().to_pylist()[0]))


def _numbered(kpi: Kpi, rest: list[str], name: str) -> str:
    """Rows of the same key are told apart by what else they say: as a rule there is one."""
    key, others = (", ".join(f'"{column}"' for column in columns) for columns in (kpi.key, rest))
    return f'SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {others}) AS nth FROM "{name}"'  # noqa: S608


def _same(kpi: Kpi, column: str) -> str:
    one, other = f'one."{column}"', f'other."{column}"'
    if not pa.types.is_floating(kpi.schema.field(column).type):
        return f"{one} IS NOT DISTINCT FROM {other}"
    near = f"abs({one} - {other}) <= {TOLERANCE} * greatest(abs({one}), abs({other}))"
    return f"({one} IS NOT DISTINCT FROM {other} OR coalesce({near}, FALSE))"


def _in_words(kpi: Kpi, rest: list[str], row: dict) -> str:
    where = f"{kpi.name} {' '.join(str(row[f'key {column}']) for column in kpi.key)}"
    if row["one"] is None:
        return f"{where}: no row by the events, one in the table"
    if row["other"] is None:
        return f"{where}: a row by the events, none in the table"
    column = next(each for each in rest if not row[f"same {each}"])
    return f"{where} {column}: {_text(row[f'one {column}'])} by the events, {_text(row[f'other {column}'])} in the table"


def _text(value: object) -> str:
    if value is None:
        return "null"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
