"""The replica's process: it is restarted, ends with its parent, and its errors reach the caller."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest

from shopnow.errors import UserError
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica

PATHS = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[LakeReplica]:
    """The replica of a lake without tables."""
    with closing(LakeReplica(lambda: str(tmp_path), tables.COPIES)) as lake:
        yield lake


def test_results_come_in_chunks_and_errors_in_a_sentence(lake: LakeReplica) -> None:
    chunks = lake.chunks("SELECT number::INT FROM range(?) AS numbers(number)", [2500], 1000)
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]
    with closing(LakeReplica(lambda: "hdfs://127.0.0.1:1/shopnow", tables.COPIES)) as unreachable:
        state = unreachable.state(["kpi/sales_daily"])
    assert state.unread == ("kpi/sales_daily",)
    assert "check the address, that HDFS runs" in str(state.error)


def test_killed_process_is_restarted(lake: LakeReplica) -> None:
    assert lake.state(["kpi/sales_daily"]).versions == {"kpi/sales_daily": None}
    [process] = readers()
    process.kill()
    process.wait()
    assert lake.state(["kpi/sales_daily"]).versions == {"kpi/sales_daily": None}
    assert [restarted.pid != process.pid for restarted in readers()] == [True]


def test_process_starts_from_a_server_with_many_open_files(lake: LakeReplica) -> None:
    with ExitStack() as opened:
        for _ in range(1100):
            opened.enter_context(Path(os.devnull).open())
        assert lake.query("SELECT 1 AS one") == [{"one": 1}]


def test_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "from shopnow_tab_app.replica import tables; from shopnow_tab_app.replica.client import LakeReplica; "
        f"lake = LakeReplica(lambda: {str(tmp_path)!r}, tables.COPIES); "
        "lake.query('SELECT 1'); print('up', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=PATHS
    ) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"up\n"
        [process] = readers(owner.pid)
        [folder] = {
            Path(file.path).parent for file in process.open_files() if file.path.endswith("copies.duckdb")
        }
        owner.kill()
    process.wait(10)
    assert not folder.exists()


def readers(parent: int | None = None) -> list[psutil.Process]:
    """Return the replica processes that this process, or another, started."""
    return [
        process
        for process in psutil.Process(parent).children()
        if "shopnow_tab_app.replica" in process.cmdline()
    ]


def test_the_reader_gets_no_secret_of_airflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "a key")
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", "a webhook")
    with closing(LakeReplica(lambda: str(tmp_path), tables.COPIES)) as lake:
        lake.query("SELECT 1")
        [process] = readers()
        assert not [name for name in process.environ() if name.startswith("AIRFLOW_")]


def test_failed_start_is_reported_and_not_retried_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with closing(LakeReplica(lambda: str(tmp_path), tables.COPIES)) as lake:
        for _ in range(2):
            with pytest.raises(UserError, match=r"does not start|ended"):
                lake.query("SELECT 1")
            monkeypatch.undo()


def test_missing_address_is_reported() -> None:
    with (
        closing(LakeReplica(lambda: {}["lake"], tables.COPIES)) as lake,
        pytest.raises(UserError, match="no address of the lake"),
    ):
        lake.state(["sales"])
