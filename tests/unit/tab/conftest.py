"""Replicas of a sample lake and of an empty one, on the local disk."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from factories import sample_lake
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeReplica]:
    """600 orders in the three days before `sample_lake.NOW`."""
    folder = str(tmp_path_factory.mktemp("lake"))
    sample_lake.write_lake(folder, 600, 3, sample_lake.NOW)
    with closing(LakeReplica(lambda: folder, tables.COPIES, tables.DERIVED)) as lake:
        yield lake


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeReplica]:
    """A lake without tables, which no test writes to."""
    folder = str(tmp_path_factory.mktemp("empty"))
    with closing(LakeReplica(lambda: folder, tables.COPIES, tables.DERIVED)) as lake:
        yield lake
