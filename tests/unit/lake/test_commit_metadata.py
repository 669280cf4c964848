import json
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from shopnow.errors import UserError
from shopnow.lake.delta import commit_metadata, tables
from shopnow.lake.delta.commit_metadata import CommitTable, collect, read
from shopnow.lake.delta.tables import Table

WORDS = CommitTable(
    table="words",
    key="word",
    columns=pa.schema([pa.field("word", pa.string())]),
    sources=("one", "other"),
    rows=lambda metadata: [{"word": word} for word in metadata],
)


def commit(lake: str, source: str, *words: str) -> None:
    metadata = {"word": json.dumps(words)} if words else {}
    write_deltalake(
        Table(lake, source).uri,
        pa.table({"x": [1]}),
        mode="append",
        commit_properties=CommitProperties(custom_metadata=metadata),
    )


def words(lake: str, source: str, upto: int | None = None) -> list[tuple[int, str]]:
    rows = read(Table(lake, source), WORDS, upto)
    assert rows.schema == WORDS.schema
    return [(row["version"], row["word"]) for row in rows.to_pylist()]


def test_reads_metadata_from_the_log_and_from_the_table(tmp_path: Path) -> None:
    lake = str(tmp_path)
    assert words(lake, "one") == []
    commit(lake, "one", "a", "b")
    commit(lake, "one")
    commit(lake, "other", "x")
    assert words(lake, "one") == [(0, "a"), (0, "b")]
    assert collect(lake, WORDS) == 3
    commit(lake, "one", "c")
    assert words(lake, "one") == [(0, "a"), (0, "b"), (2, "c")]
    assert words(lake, "one", upto=1) == [(0, "a"), (0, "b")]
    assert words(lake, "other") == [(0, "x")]


def test_collects_each_commit_once(tmp_path: Path) -> None:
    lake = str(tmp_path)
    commit(lake, "one", "a")
    assert [collect(lake, WORDS), collect(lake, WORDS)] == [1, 0]
    commit(lake, "one")
    assert collect(lake, WORDS) == 0
    commit(lake, "one", "b")
    assert collect(lake, WORDS) == 1
    [row] = tables.read(Table(lake, "words").open(), predicate="word = 'b'").to_pylist()
    assert (row["source"], row["version"], row["date"]) == ("one", 2, row["committed_at"].date())
    assert isinstance(row["date"], date)


def test_concurrent_collections_collect_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = str(tmp_path)
    commit(lake, "one", "a")

    def overtake(point: str) -> None:
        monkeypatch.undo()
        assert collect(lake, WORDS) == 1

    monkeypatch.setattr(commit_metadata, "failpoint", overtake)
    assert collect(lake, WORDS) == 0
    assert words(lake, "one") == [(0, "a")]
    assert Table(lake, "words").open().count() == 1


def test_collected_metadata_outlives_the_log_and_uncollected_metadata_is_reported(tmp_path: Path) -> None:
    lake = str(tmp_path)
    commit(lake, "one", "a")
    collect(lake, WORDS)
    commit(lake, "one", "b")
    DeltaTable(Table(lake, "one").uri).create_checkpoint()
    log = tmp_path / "one" / "_delta_log"
    (log / f"{0:020}.json").unlink()
    assert words(lake, "one") == [(0, "a"), (1, "b")]
    commit(lake, "one", "c")
    (log / f"{1:020}.json").unlink()
    with pytest.raises(
        UserError, match="the log of one no longer has version 1, which was not yet collected into words"
    ):
        read(Table(lake, "one"), WORDS)


def test_a_table_with_few_commits_is_collected_before_its_log_is_cleaned_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = str(tmp_path)
    for _ in range(3):
        commit(lake, "one")
    assert collect(lake, WORDS) == 0
    assert Table(lake, "words").version() == 0  # a commit for each would be many
    monkeypatch.setattr(commit_metadata, "_RECORD_PROGRESS_AFTER", timedelta(0))  # as a day later
    assert collect(lake, WORDS) == 0
    DeltaTable(Table(lake, "one").uri).create_checkpoint()
    for version in range(2):
        (tmp_path / "one" / "_delta_log" / f"{version:020}.json").unlink()
    commit(lake, "one", "a")
    assert words(lake, "one") == [(3, "a")]
    assert collect(lake, WORDS) == 1
