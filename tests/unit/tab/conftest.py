"""Replicas of a sample lake and of an empty one, on the local disk."""

from collections.abc import Iterator

import pytest

from factories import sample_lake
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.sources import runs
from support.local_replica import local_replica


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaServer]:
    """600 orders in the three days before `sample_lake.NOW`."""
    folder = tmp_path_factory.mktemp("lake")
    sample_lake.write_lake(str(folder), 600, 3, sample_lake.NOW)
    with local_replica(str(folder), tmp_path_factory.mktemp("replica")) as replica:
        yield replica


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaServer]:
    """A lake without tables, which no test writes to."""
    folder = str(tmp_path_factory.mktemp("empty"))
    with local_replica(folder, tmp_path_factory.mktemp("replica")) as replica:
        yield replica


@pytest.fixture
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces Airflow's database."""
    monkeypatch.setattr(runs, "find_active_run", lambda dag_id, moment: None)
    monkeypatch.setattr(runs, "find_run", lambda dag_id, run_id: None)
