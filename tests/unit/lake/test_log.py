from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Transaction

from shopnow.lake.delta import log, tables
from shopnow.schemas import RAW


def commit(table: DeltaTable, app: str, version: int) -> None:
    properties = CommitProperties(app_transactions=[Transaction(app, version)], custom_metadata={"note": app})
    table.create_write_transaction([], "append", RAW, commit_properties=properties)
    table.update_incremental()


def test_commits_are_what_was_written_under_the_version_they_have(tmp_path: Path) -> None:
    lake = tmp_path.as_uri()
    table = tables.ensure(lake, "raw/x", RAW)
    commit(table, "a", 1)
    commit(table, "b", 1)
    found = dict(log.commits(lake, "raw/x", last=1))
    assert list(found) == [0, 1]
    assert next(action["commitInfo"]["note"] for action in found[1] if "commitInfo" in action) == "a"
    assert [version for version, _ in log.commits(lake, "raw/x", last=2, first=2)] == [2]
