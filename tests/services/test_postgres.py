"""The local stack's PostgreSQL: it survives kills, and starts as root without user namespaces."""

import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from shopnow.local_stack import airflow, postgres, stack, supervision
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.settings import Settings
from support.free_ports import settings_on_free_ports


@pytest.fixture
def settings(tmp_path) -> Iterator[Settings]:
    settings = settings_on_free_ports(tmp_path / "é x")
    yield settings
    stack.down(settings)


def start(settings: Settings) -> None:
    stack.up(settings, lambda subject, what: None, ["postgres"])


def connect(settings: Settings, **changes: str) -> psycopg2.extensions.connection:
    """Connect as Airflow does, except for these parameters."""
    return psycopg2.connect(**{**airflow.database_login(settings), **changes})


def execute(settings: Settings, statement: str) -> list[tuple]:
    """Run a statement as Airflow does; returns its rows."""
    connection = connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def process(settings: Settings) -> supervision.Process:
    return next(process for process in supervision.list_processes(settings) if process.name == "postgres")


def test_committed_rows_survive_a_kill_and_a_stop_with_open_connections(settings):
    start(settings)
    execute(settings, "CREATE TABLE runs (id int)")
    execute(settings, "INSERT INTO runs VALUES (1)")
    killed = process(settings).pid
    os.kill(killed, signal.SIGKILL)
    assert supervision.wait_until(lambda: process(settings).pid not in (None, killed), 10)
    start(settings)
    assert execute(settings, "SELECT id FROM runs") == [(1,)]
    open_connection = connect(settings)
    stack.down(settings)
    open_connection.close()
    assert supervision.list_stack_processes(settings) == []
    start(settings)
    assert execute(settings, "SELECT id FROM runs") == [(1,)]


def test_a_half_created_folder_is_created_anew(settings):
    half = settings.data_dir / "postgres.new"
    half.mkdir(parents=True)
    settings.data_dir.chmod(0o700)
    (half / "PG_VERSION").write_text("18\n")
    start(settings)
    assert execute(settings, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_only_airflows_role_may_connect_and_only_with_its_password(settings):
    start(settings)
    password = airflow.database_login(settings)["password"]
    for user, tried in ((postgres.ROLE, "guessed"), ("postgres", password)):
        with pytest.raises(psycopg2.OperationalError):
            connect(settings, user=user, password=tried)
    assert is_ready(SERVICES["postgres"], settings)


if os.geteuid() == 0:

    def test_root_starts_it_as_another_user_where_namespaces_are_forbidden(monkeypatch):
        monkeypatch.setattr(postgres, "_NAMESPACE", ("false",))
        # Not below pytest's folder, which only root may enter.
        with tempfile.TemporaryDirectory(prefix="shopnow-test-") as folder:
            Path(folder).chmod(0o755)
            settings = settings_on_free_ports(Path(folder))
            try:
                start(settings)
                assert execute(settings, "SELECT 1") == [(1,)]
                assert (settings.data_dir / "postgres").stat().st_uid == 65534
                # Only the server's group may enter the folder above.
                above = settings.data_dir.stat()
                assert (stat.S_IMODE(above.st_mode), above.st_gid) == (0o710, 65534)
            finally:
                stack.down(settings)
