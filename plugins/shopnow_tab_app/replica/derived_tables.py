# ruff: noqa: S608  (SQL of our own)
"""Tables computed from copies, updated incrementally: only rows whose source rows changed are recomputed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from shopnow_tab_app.replica.protocol import DerivedTable

FileNumbers = Mapping[str, Mapping[str, int]]
"""By copy, the number of each file whose rows it has."""


def create(database: duckdb.DuckDBPyConnection, derived: DerivedTable) -> None:
    """Compute the whole table."""
    database.execute(f'CREATE OR REPLACE TABLE "{derived.table}" AS {derived.select}')


class ProvisionalChange(NamedTuple):
    """Provisional rows of the sources that changed since a derived table was last computed."""

    added: dict[str, list[int]]
    """By source, the numbers of new rows."""
    removed_keys: set[int]
    """Keys of rows that were removed."""


def keys_of(
    database: duckdb.DuckDBPyConnection, derived: DerivedTable, source: str, numbers: Sequence[int]
) -> set[int]:
    """Return the keys of the source's rows with these numbers."""
    query = f'SELECT DISTINCT {derived.keys[source]} FROM "{source}" WHERE _file IN (SELECT unnest(?))'
    return {key for (key,) in database.execute(query, [list(numbers)]).fetchall()}


def update(
    database: duckdb.DuckDBPyConnection,
    derived: DerivedTable,
    before: FileNumbers,
    after: FileNumbers,
    provisional: ProvisionalChange,
) -> None:
    """Bring a derived table up to date.

    Args:
        database: connection to the database of the copies.
        derived: table to update.
        before: files of its sources when it was last computed.
        after: files of its sources now.
        provisional: rows of its sources that belong to no file.
    """
    has_removals = any(
        before.get(source, {}).items() - after.get(source, {}).items() for source in derived.keys
    )
    if has_removals or not any(before.values()):
        create(database, derived)  # The keys of removed rows are unknown.
        return
    new_files: list[list[int]] = [
        [number for path, number in after.get(source, {}).items() if path not in before.get(source, {})]
        + provisional.added.get(source, [])
        for source in derived.keys
    ]
    keys = [
        f'SELECT {key} AS key FROM "{source}" WHERE _file IN (SELECT unnest(?))'
        for source, key in derived.keys.items()
    ]
    keys.append("SELECT unnest(?)::UBIGINT AS key")
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE changed AS {' UNION '.join(keys)}",
        [*new_files, list(provisional.removed_keys)],
    )
    # A name in WITH hides the table of that name, so that one select computes these rows and all rows. Row
    # ids are looked up by key, so that the scan reads the key column only, not the long texts of all rows.
    changed_rows = ", ".join(
        f'"{source}" AS MATERIALIZED (SELECT * FROM main."{source}" '
        f'WHERE rowid IN (SELECT rowid FROM main."{source}" WHERE {key} IN (SELECT key FROM changed)))'
        for source, key in derived.keys.items()
    )
    database.execute("BEGIN")
    try:
        database.execute(f'DELETE FROM "{derived.table}" WHERE key IN (SELECT key FROM changed)')
        database.execute(
            f'INSERT INTO "{derived.table}" BY NAME WITH {changed_rows} SELECT * FROM ({derived.select})'
        )
        database.execute("DROP TABLE changed")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
