# ruff: noqa: S608  (SQL of our own)
"""Tables made of copies: of a million rows only those are made anew that rest on rows that came."""

from collections.abc import Mapping

import duckdb

from shopnow_tab_app.replica.protocol import Derived

Held = Mapping[str, Mapping[str, int]]
"""By copy, the files whose rows it has, each with its number."""


def create(database: duckdb.DuckDBPyConnection, derived: Derived) -> None:
    """Make the table anew."""
    database.execute(f'CREATE OR REPLACE TABLE "{derived.table}" AS {derived.select}')


def update(database: duckdb.DuckDBPyConnection, derived: Derived, had: Held, has: Held) -> None:
    """Bring the table, made of copies that had some files, up to date with those that they have now."""
    gone = any(had.get(source, {}).items() - has.get(source, {}).items() for source in derived.keys)
    if gone or not any(had.values()):
        create(database, derived)  # which rows a file had that went is not known any more
        return
    new = [
        [number for path, number in has.get(source, {}).items() if path not in had.get(source, {})]
        for source in derived.keys
    ]
    keys = [
        f'SELECT {key} AS key FROM "{source}" WHERE _file IN (SELECT unnest(?))'
        for source, key in derived.keys.items()
    ]
    database.execute(f"CREATE OR REPLACE TEMP TABLE changed AS {' UNION '.join(keys)}", new)
    # A name in WITH hides the table of that name, so that the same words make these rows as make all of them. Their places are found by
    # the key alone, which is read of all rows, and the long texts of theirs only.
    concerned = ", ".join(
        f'"{source}" AS MATERIALIZED (SELECT * FROM main."{source}" '
        f'WHERE rowid IN (SELECT rowid FROM main."{source}" WHERE {key} IN (SELECT key FROM changed)))'
        for source, key in derived.keys.items()
    )
    database.execute("BEGIN")
    try:
        database.execute(f'DELETE FROM "{derived.table}" WHERE key IN (SELECT key FROM changed)')
        database.execute(
            f'INSERT INTO "{derived.table}" BY NAME WITH {concerned} SELECT * FROM ({derived.select})'
        )
        database.execute("DROP TABLE changed")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
