"""History for a running stack: copies of its runs with their logs, and landing commits."""

import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
from hdfs import InsecureClient
from psycopg2 import sql

from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest.data_loss import LOSSES
from shopnow.lake.ingest.landing import land
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.local_stack import airflow
from shopnow.settings import Settings
from shopnow.traffic.generate import generate

TABLES = {
    "dag_run": "id",
    "task_instance": "id",
    "xcom": None,
    "rendered_task_instance_fields": None,
    "log": "id",
    "asset_event": "id",
}
"""Tables that grow with the runs, referenced ones first; and their generated key."""


class Period(NamedTuple):
    """A part of the past; its name is in the ids of the copied runs."""

    name: str
    newest: timedelta
    """Age of its end."""
    length: timedelta


DAY = Period("day", timedelta(minutes=1), timedelta(hours=20))
MONTH = Period("month", timedelta(days=2), timedelta(days=30))


def copy_runs(settings: Settings, runs: int, period: Period) -> str:
    """Copy the finished runs into a period until there are as many; returns the numbers of new rows."""
    counts = {}
    with closing(psycopg2.connect(**airflow.database_login(settings))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(
            "CREATE TABLE template AS SELECT dag_id, run_id FROM dag_run "
            "WHERE state = 'success' AND run_id NOT LIKE '%~%'"
        )
        copies = -(-runs // cursor.rowcount)
        for table, key in TABLES.items():
            cursor.execute(copy_statement(cursor, table, key, period), {"copies": copies})
            counts[table] = cursor.rowcount
        cursor.execute("DROP TABLE template")
        cursor.execute("VACUUM ANALYZE")
    return ", ".join(f"{count:,} {table}" for table, count in counts.items())


def copy_statement(cursor: Any, table: str, key: str | None, period: Period) -> sql.Composable:
    """Return the INSERT of the copies of the template runs' rows, with other ids and earlier times."""
    cursor.execute(
        "SELECT column_name, data_type, column_default FROM information_schema.columns WHERE table_name = %s",
        [table],
    )
    values = {}
    run_column = "source_run_id" if table == "asset_event" else "run_id"
    dag_column = "source_dag_id" if table == "asset_event" else "dag_id"
    age = sql.SQL("make_interval(secs => {newest} + {length} * n / %(copies)s)").format(
        newest=sql.Literal(period.newest.total_seconds()), length=sql.Literal(period.length.total_seconds())
    )
    copied_run = sql.SQL("t.{} || {} || n").format(
        sql.Identifier(run_column), sql.Literal(f"~{period.name}-")
    )
    for name, kind, default in cursor.fetchall():
        column = sql.SQL("t.{}").format(sql.Identifier(name))
        if name == key and default:
            continue  # numbered by the database
        if name == key:
            values[name] = sql.SQL("gen_random_uuid()")
        elif name == run_column:
            values[name] = copied_run
        elif name == "dag_run_id":
            values[name] = sql.SQL("(SELECT id FROM dag_run WHERE dag_id = t.dag_id AND run_id = {})").format(
                copied_run
            )
        elif kind == "timestamp with time zone":
            values[name] = sql.SQL("{} - {}").format(column, age)
        else:
            values[name] = column
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} t "
        "JOIN template ON template.dag_id = t.{dag} AND template.run_id = t.{run}, "
        "generate_series(1, %(copies)s) n"
    ).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, values)),
        values=sql.SQL(", ").join(values.values()),
        dag=sql.Identifier(dag_column),
        run=sql.Identifier(run_column),
    )


def copy_logs(settings: Settings, period: Period) -> int:
    """Copy the logs of the runs copied into a period, with that age; returns the number of files."""
    with (
        closing(psycopg2.connect(**airflow.database_login(settings))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT dag_id, run_id, end_date FROM dag_run WHERE run_id LIKE %s", [f"%~{period.name}-%"]
        )
        copies = cursor.fetchall()
    contents: dict[Path, dict[Path, bytes]] = {}
    written = 0
    for dag_id, run_id, end in copies:
        dag_folder = log_folder(settings) / f"dag_id={dag_id}"
        original = dag_folder / f"run_id={run_id.partition('~')[0]}"
        if original not in contents:
            paths = [path for path in original.rglob("*") if path.is_file()]
            contents[original] = {path.relative_to(original): path.read_bytes() for path in paths}
        folder = dag_folder / f"run_id={run_id}"
        for path, content in contents[original].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            written += 1
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (end.timestamp(), end.timestamp()))
    return written


def add_landings(settings: Settings, landings: int) -> int:
    """Generate and land a little traffic again and again; returns the number of commits."""
    conf, commits = {"bootstrap.servers": settings.bootstrap_servers}, 0
    for _ in range(landings):
        generate(conf, f"housekeeping {time.time_ns()}", sessions=3)
        for topic in TOPICS.values():
            commits += bool(land(conf, settings.lake_uri, topic).rows)
    return commits


def age_table_logs(settings: Settings) -> None:
    """Make the logs of the raw tables older than the 30 days for which Delta keeps them.

    Their metadata is collected first, as it would have been a day after each commit.
    """
    commit_metadata._RECORD_PROGRESS_AFTER = timedelta(0)
    for table in (RECEIPTS, LOSSES, AMENDMENTS):
        commit_metadata.collect(settings.lake_uri, table)
    client, old = hdfs_client(settings), datetime.now(UTC) - MONTH.newest - MONTH.length
    for topic in TOPICS:
        folder = f"/shopnow/raw/{topic}/_delta_log"
        for name in client.list(folder):
            client.set_times(f"{folder}/{name}", modification_time=round(old.timestamp() * 1000))


def log_folder(settings: Settings) -> Path:
    return airflow.home_dir(settings) / "logs"


def hdfs_client(settings: Settings) -> InsecureClient:
    return InsecureClient(f"http://127.0.0.1:{settings.ports['namenode_http']}", user="shopnow")
