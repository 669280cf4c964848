import shutil
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Transaction

from shopnow.lake.delta import log
from shopnow.lake.delta.tables import Table
from shopnow.schemas import RAW


def commit(table: DeltaTable, app: str, version: int) -> None:
    properties = CommitProperties(app_transactions=[Transaction(app, version)], custom_metadata={"note": app})
    table.create_write_transaction([], "append", RAW, commit_properties=properties)
    table.update_incremental()


def test_returns_each_commit_with_its_version(tmp_path: Path) -> None:
    lake = tmp_path.as_uri()
    table = Table(lake, "raw/x").ensure(RAW)
    commit(table, "a", 1)
    commit(table, "b", 1)
    commits = dict(Table(lake, "raw/x").commits(last=1))
    assert list(commits) == [0, 1]
    assert next(action["commitInfo"]["note"] for action in commits[1] if "commitInfo" in action) == "a"
    assert [version for version, _ in Table(lake, "raw/x").commits(last=2, first=2)] == [2]


def test_a_commit_is_read_from_the_log_once(tmp_path: Path) -> None:
    table = Table(tmp_path.as_uri(), "raw/x")
    commit(table.ensure(RAW), "a", 1)
    before = list(table.commits(last=1))
    for file in (tmp_path / "raw" / "x" / "_delta_log").iterdir():
        file.unlink()
    assert list(table.commits(last=1)) == before


def test_a_table_created_again_has_the_commits_of_the_new_one(tmp_path: Path) -> None:
    table = Table(tmp_path.as_uri(), "raw/x")
    commit(table.ensure(RAW), "old", 1)
    list(table.commits(last=1))
    shutil.rmtree(tmp_path / "raw" / "x")
    commit(table.ensure(RAW), "new", 1)
    [(_, actions)] = table.commits(last=1, first=1)
    assert log.info(actions)["note"] == "new"
