"""Purge of Airflow's metadata database: runs that ended long ago with all that belongs to them, and logs.

Airflow's own `airflow db clean` goes by age alone: it would delete the task instances and XComs of runs that
have not ended, and the trigger that watches the stock topic (docs/decisions/0024).
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import sql

BATCH_ROWS = 1_000
"""Rows deleted per transaction; a DAG run takes some thirty rows of other tables with it."""

LOCK_TIMEOUT_SECONDS = 30

Database = Mapping[str, Any]
"""Connection parameters of libpq: host, port, user, password, dbname."""

RunKey = tuple[str, str]
"""DAG id and run id."""

# The newest run of each type stays: Airflow schedules the next one from it, and pages show it as the last.
_EXPIRED_RUN = """
    state IN ('success', 'failed') AND end_date < %(before)s
    AND id NOT IN (SELECT max(id) FROM dag_run GROUP BY dag_id, run_type)
"""


class Rule(NamedTuple):
    """Which rows of a table are deleted."""

    table: str
    key: str
    condition: str
    """SQL condition; `%(before)s` is the time before which history is deleted."""


RULES = (
    # Foreign keys delete task instances, XComs, rendered fields, people's answers and the like.
    Rule("dag_run", "id", _EXPIRED_RUN),
    Rule(
        "backfill",
        "id",
        """completed_at < %(before)s
        AND NOT EXISTS (SELECT FROM dag_run WHERE backfill_id = backfill.id)""",
    ),
    # With their serialized DAG and source code.
    Rule(
        "dag_version",
        "id",
        """created_at < %(before)s
        AND NOT EXISTS (SELECT FROM task_instance WHERE dag_version_id = dag_version.id)
        AND version_number
            < (SELECT max(version_number) FROM dag_version newer WHERE newer.dag_id = dag_version.dag_id)
        """,
    ),
    Rule("asset_event", "id", "timestamp < %(before)s"),
    Rule("log", "id", "dttm < %(before)s"),
    # Starts of schedulers, triggerers and DAG processors; a live one has a recent heartbeat.
    Rule("job", "id", "latest_heartbeat < %(before)s"),
    # Logouts whose token has expired.
    Rule("revoked_token", "jti", "exp < %(before)s"),
)
"""In this order: a DAG version can be deleted after the last run that used it."""


def grant(database: Database, role: str) -> None:
    """Grant a role the rights for `purge`: it can read neither connections nor variables nor XComs.

    Rows that foreign keys delete with the purged ones need no right. Idempotent.

    Args:
        database: with the login of the tables' owner.

    Raises:
        psycopg2.Error: the database failed.
    """
    with _connect(database) as cursor:
        tables = _tables(cursor)
        rights = [("SELECT (dag_version_id)", "task_instance")]
        # For VACUUM. Before this version only a table's owner may; then autovacuum has to do, a minute later.
        if cursor.connection.server_version >= 17_00_00:
            rights += [("MAINTAIN", table) for table in tables]
        for rule in RULES:
            # UPDATE of a column is the right to lock rows.
            rights += [("SELECT, DELETE", rule.table), (f"UPDATE ({rule.key})", rule.table)]
        for right, table in rights:
            if table in tables:
                statement = sql.SQL("GRANT {} ON {} TO {}")
                cursor.execute(statement.format(sql.SQL(right), sql.Identifier(table), sql.Identifier(role)))


def purge(database: Database, before: datetime, dry_run: bool = False) -> dict[str, int]:
    """Delete what ended before a time, in batches, and make its space reusable. Idempotent.

    Runs that are queued, running or waiting are kept with all that belongs to them, however old.

    Args:
        dry_run: only count, without the rows that depend on the deletion of others.

    Returns:
        The number of deleted rows by table; tables with none are omitted.

    Raises:
        psycopg2.Error: the database failed; the next purge deletes the rest.
    """
    with _connect(database) as cursor:
        existing = _tables(cursor)
        run = _count if dry_run else _delete
        counts = {rule.table: run(cursor, rule, before) for rule in RULES if rule.table in existing}
        if any(counts.values()) and not dry_run:
            # Autovacuum starts within a minute; until then queries would rest on old statistics.
            for table in existing:
                cursor.execute(sql.SQL("VACUUM (ANALYZE, SKIP_LOCKED) {}").format(sql.Identifier(table)))
    return {table: count for table, count in counts.items() if count}


def kept_runs(database: Database, before: datetime) -> set[RunKey]:
    """Return the runs that a purge keeps, whether or not it has taken place.

    Raises:
        psycopg2.Error: the database does not answer.
    """
    with _connect(database) as cursor:
        query = f"SELECT dag_id, run_id FROM dag_run WHERE ({_EXPIRED_RUN}) IS NOT TRUE"  # noqa: S608
        cursor.execute(query, {"before": before})
        return set(cursor.fetchall())


def size(database: Database) -> int:
    """Return the size of the database on disk, in bytes.

    Raises:
        psycopg2.Error: the database does not answer.
    """
    with _connect(database) as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return cursor.fetchone()[0]


@contextmanager
def _connect(database: Database) -> Iterator[Any]:
    """Yield a cursor; each of its statements is a transaction."""
    options = f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s"
    with closing(psycopg2.connect(**database, connect_timeout=10, options=options)) as connection:
        connection.autocommit = True
        yield connection.cursor()


def _tables(cursor: Any) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
    return [table for (table,) in cursor.fetchall()]


def _count(cursor: Any, rule: Rule, before: datetime) -> int:
    statement = f"SELECT count(*) FROM {rule.table} WHERE {rule.condition}"  # noqa: S608  (SQL of our own)
    cursor.execute(statement, {"before": before})
    return cursor.fetchone()[0]


def _delete(cursor: Any, rule: Rule, before: datetime) -> int:
    # A locked row, such as a run that a person clears, is left to the next purge.
    batch = (
        f"SELECT {rule.key} FROM {rule.table} WHERE {rule.condition} "  # noqa: S608  (SQL of our own)
        f"LIMIT {BATCH_ROWS} FOR UPDATE SKIP LOCKED"
    )
    statement = f"DELETE FROM {rule.table} WHERE {rule.key} IN ({batch})"  # noqa: S608
    deleted = 0
    while True:
        cursor.execute(statement, {"before": before})
        deleted += cursor.rowcount
        if not cursor.rowcount:
            return deleted
