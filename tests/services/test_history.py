"""The purge deletes old history from a real metadata database and HDFS, and nothing that is needed."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import airflow.models
import psycopg2
import pytest
from airflow.models.dagrun import DagRun
from hdfs import InsecureClient
from psycopg2 import sql
from psycopg2.extras import Json
from sqlalchemy import create_engine

from shopnow.history import airflow_database, task_logs
from shopnow.local_stack import airflow as local_airflow
from shopnow.local_stack import postgres, stack
from shopnow.restock import inbox
from shopnow.restock.inbox import Inbox
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports

NOW = datetime.now(UTC)
CUTOFF, OLD, RECENT = (NOW - timedelta(days=days) for days in (30, 40, 1))
DAG_ID = "approve_restock"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a running PostgreSQL."""
    settings = settings_on_free_ports(tmp_path_factory.mktemp("database"))
    try:
        stack.up(settings, lambda subject, what: None, ["postgres"])
        yield settings
    finally:
        stack.down(settings)


@pytest.fixture(scope="module")
def database(settings: Settings) -> dict[str, Any]:
    """The login of the owner of the tables of the installed Airflow, with one DAG."""
    parameters = local_airflow.database_login(settings)
    airflow.models.import_all_models()
    engine = create_engine("postgresql+psycopg2://", connect_args=parameters)
    DagRun.metadata.create_all(engine)
    engine.dispose()
    with closing(psycopg2.connect(**parameters)) as connection, connection:
        Rows(connection).add_dag()
    airflow_database.grant(parameters, postgres.PURGE_ROLE)
    return parameters


@pytest.fixture(scope="module")
def purger(settings: Settings, database: dict[str, Any]) -> dict[str, Any]:
    """The login that the tasks have."""
    return local_airflow.database_login(settings, postgres.PURGE_ROLE)


class Rows:
    """Adds and reads rows of the metadata database."""

    def __init__(self, connection: Any) -> None:
        self.cursor = connection.cursor()

    def insert(self, table: str, **columns: Any) -> Any:
        """Insert a row and return its first column."""
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(map(sql.Placeholder, columns)),
        )
        self.cursor.execute(statement, columns)
        return self.cursor.fetchone()[0]

    def add_dag(self) -> None:
        self.insert("dag_bundle", name="dags")
        self.insert(
            "dag",
            dag_id=DAG_ID,
            bundle_name="dags",
            is_paused=False,
            is_stale=False,
            timetable_type="",
            partition_mapper_info=Json({}),
            max_active_tasks=16,
            max_consecutive_failed_dag_runs=0,
            has_task_concurrency_limits=False,
        )

    def add_version(self, number: int, created: datetime) -> str:
        id_ = str(uuid.uuid4())
        dates = {"created_at": created, "last_updated": created}
        return self.insert("dag_version", id=id_, version_number=number, dag_id=DAG_ID, **dates)

    def add_run(
        self, run_id: str, state: str, ended: datetime | None, version: str, run_type: str = "manual"
    ) -> None:
        """Add a run that started 40 days ago, with a task instance and an XCom."""
        run = self.insert(
            "dag_run",
            dag_id=DAG_ID,
            run_id=run_id,
            run_type=run_type,
            run_after=OLD,
            start_date=OLD,
            end_date=ended,
            state=state,
            clear_number=0,
            span_status="not_started",
        )
        key = {"dag_id": DAG_ID, "run_id": run_id, "task_id": "order"}
        self.insert(
            "task_instance",
            id=str(uuid.uuid4()),
            **key,
            map_index=-1,
            state="success",
            start_date=OLD,
            try_number=1,
            pool="default_pool",
            pool_slots=1,
            dag_version_id=version,
        )
        self.insert("xcom", dag_run_id=run, **key, map_index=-1, key="due", timestamp=OLD, value=Json("x"))

    def values(self, table: str, column: str) -> list[Any]:
        self.cursor.execute(
            sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
        )
        return sorted(value for (value,) in self.cursor.fetchall())


@pytest.fixture
def rows(database: dict[str, Any]) -> Iterator[Rows]:
    """The rows of the database, without those of other tests."""
    with closing(psycopg2.connect(**database)) as connection:
        connection.autocommit = True
        rows = Rows(connection)
        rows.cursor.execute(
            "TRUNCATE dag_run, dag_version, log, job, asset_event, trigger, revoked_token CASCADE"
        )
        yield rows


def test_only_finished_runs_are_deleted_with_what_belongs_to_them(purger, rows, monkeypatch):
    monkeypatch.setattr(airflow_database, "BATCH_ROWS", 2)
    unused, used, newest = (rows.add_version(number, OLD) for number in (1, 2, 3))
    for number in range(5):
        rows.add_run(f"ended {number}", "failed" if number % 2 else "success", OLD, unused)
    rows.add_run("delivery due in a year", "running", None, used)
    # A run that is cleared keeps the end of its last attempt until it starts.
    rows.add_run("cleared", "queued", OLD, used)
    rows.add_run("ended recently", "success", RECENT, used)
    kept = ["cleared", "delivery due in a year", "ended recently"]

    assert airflow_database.purge(purger, CUTOFF, dry_run=True) == {"dag_run": 5}
    assert len(rows.values("dag_run", "run_id")) == 8
    assert airflow_database.kept_runs(purger, CUTOFF) == {(DAG_ID, run_id) for run_id in kept}

    assert airflow_database.purge(purger, CUTOFF) == {"dag_run": 5, "dag_version": 1}
    for table in ("dag_run", "task_instance", "xcom"):
        assert rows.values(table, "run_id") == kept
    assert rows.values("dag_version", "id") == sorted([used, newest])
    assert airflow_database.purge(purger, CUTOFF) == {}


def test_the_newest_run_of_each_type_is_kept(purger, rows):
    version = rows.add_version(1, OLD)
    for run_type in ("scheduled", "manual", "asset_triggered"):
        for number in (1, 2):
            rows.add_run(f"{run_type} {number}", "success", OLD, version, run_type)
    assert airflow_database.purge(purger, CUTOFF) == {"dag_run": 3}
    assert rows.values("dag_run", "run_id") == ["asset_triggered 2", "manual 2", "scheduled 2"]


def test_old_logs_events_and_dead_processes_are_deleted(purger, rows):
    asset = rows.insert(
        "asset",
        name=str(uuid.uuid4()),
        uri="shopnow://raw",
        group="shopnow",
        extra=Json({}),
        created_at=OLD,
        updated_at=OLD,
    )
    for at in (OLD, RECENT):
        rows.insert("log", event="trigger", dttm=at)
        rows.insert("job", job_type="SchedulerJob", start_date=OLD, latest_heartbeat=at)
        rows.insert("asset_event", asset_id=asset, extra=Json({}), timestamp=at)
        rows.insert("revoked_token", jti=str(at), exp=at)
    # It watches a topic since the stack was installed.
    rows.insert("trigger", classpath="StockTrigger", kwargs="{}", created_date=OLD)
    assert airflow_database.purge(purger, CUTOFF) == {
        "asset_event": 1,
        "job": 1,
        "log": 1,
        "revoked_token": 1,
    }
    assert len(rows.values("trigger", "id")) == 1
    assert rows.values("log", "dttm") == [RECENT]


def test_a_run_that_is_being_changed_is_left_to_the_next_purge(database, purger, rows):
    version = rows.add_version(1, OLD)
    for run_id in ("cleared by a person", "other", "newest"):
        rows.add_run(run_id, "success", OLD, version)
    with closing(psycopg2.connect(**database)) as connection:
        connection.cursor().execute(
            "UPDATE dag_run SET state = 'queued' WHERE run_id = 'cleared by a person'"
        )
        assert airflow_database.purge(purger, CUTOFF) == {"dag_run": 1}
        connection.commit()
    assert airflow_database.purge(purger, CUTOFF) == {}
    assert rows.values("dag_run", "run_id") == ["cleared by a person", "newest"]


@pytest.mark.parametrize("table", ["connection", "variable", "xcom", "serialized_dag"])
def test_the_purge_can_neither_read_nor_change_other_tables(purger, rows, table):
    assert airflow_database.size(purger) > 0
    with closing(psycopg2.connect(**purger)) as connection:
        connection.autocommit = True
        for statement in ("SELECT FROM {}", "DELETE FROM {}"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                connection.cursor().execute(sql.SQL(statement).format(sql.Identifier(table)))
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connection.cursor().execute("UPDATE dag_run SET state = 'queued'")


@pytest.fixture
def client(storage: Settings) -> InsecureClient:
    return InsecureClient(f"http://127.0.0.1:{storage.ports['namenode_http']}", user="shopnow")


def age(client: InsecureClient, *paths: str) -> None:
    """Make files and folders on HDFS 40 days old."""
    for path in paths:
        client.set_times(path, modification_time=round(OLD.timestamp() * 1000))


def test_uploaded_logs_are_deleted_with_their_run(client, lake):
    base = f"{inbox.inbox_path(lake)}-logs"
    gone, waiting, new = (f"{base}/dag_id=d/run_id=manual__{name}" for name in ("gone", "10_30", "new"))
    for folder in (gone, waiting, new):
        client.write(f"{folder}/task_id=t/attempt=1.log", data=b"12345")
    age(client, gone, waiting)
    kept = {("d", "manual__10:30")}
    assert task_logs.purge_hdfs(client, base, kept, CUTOFF, dry_run=True) == (1, 5)
    assert task_logs.purge_hdfs(client, base, kept, CUTOFF) == (1, 5)
    assert client.list(f"{base}/dag_id=d") == ["run_id=manual__10_30", "run_id=manual__new"]
    assert task_logs.purge_hdfs(client, f"{base}/none", kept, CUTOFF) == (0, 0)


def test_filed_delivery_notes_are_deleted_and_pending_ones_kept(client, lake):
    root = inbox.inbox_path(lake)
    files = ("done/a.csv", "rejected/b.csv", "rejected/b.csv.reason.txt", "inbox/c.csv", "taken/d.csv")
    for file in (*files, "done/new.csv"):
        client.write(f"{root}/{file}", data=b"12345")
    age(client, *(f"{root}/{file}" for file in files))
    box = Inbox(client, root)
    assert box.purge(CUTOFF, dry_run=True) == box.purge(CUTOFF) == (3, 15)
    assert {folder: client.list(f"{root}/{folder}") for folder in client.list(root)} == {
        "done": ["new.csv"],
        "rejected": [],
        "inbox": ["c.csv"],
        "taken": ["d.csv"],
    }
