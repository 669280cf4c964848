"""Conflicts are provoked on real tables, so that a new wording of delta-rs' messages fails here."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Field, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.schema import PrimitiveType

from shopnow.lake.delta import conflicts, file_swap
from shopnow.lake.delta.conflicts import CommitConflict, Conflict, retry_on_conflict

ROWS = pa.table({"number": [1, 2]})


def append(snapshot: DeltaTable, **options: object) -> None:
    snapshot.create_write_transaction(
        [], "append", snapshot.schema(), [], commit_properties=CommitProperties(**options)
    )


def append_in_app_transaction(snapshot: DeltaTable) -> None:
    append(snapshot, app_transactions=[Transaction("app", 1)])


def append_without_retries(snapshot: DeltaTable) -> None:
    append(snapshot, max_commit_retries=0)


def remove_all_files(snapshot: DeltaTable) -> None:
    file_swap.replace(snapshot, file_swap.data_files(snapshot), [], data_change=True)


def delete_a_row(snapshot: DeltaTable) -> None:
    snapshot.delete("number = 1")


def add_a_column(snapshot: DeltaTable) -> None:
    snapshot.alter.add_columns([Field("text", PrimitiveType("string"))])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_deltalake(tmp_path, ROWS)
    return tmp_path


@pytest.mark.parametrize(
    ("winner", "loser", "expected"),
    [
        (append_in_app_transaction, append_in_app_transaction, Conflict.SAME_APP_TRANSACTION),
        (remove_all_files, append_in_app_transaction, Conflict.ROWS_REMOVED),
        (delete_a_row, append, Conflict.ROWS_REMOVED),
        (add_a_column, append, Conflict.METADATA_CHANGED),
        (append, append_without_retries, None),
    ],
)
def test_classifies_a_real_conflict(
    table: Path,
    winner: Callable[[DeltaTable], None],
    loser: Callable[[DeltaTable], None],
    expected: Conflict | None,
) -> None:
    snapshot = DeltaTable(table)
    winner(DeltaTable(table))
    with pytest.raises(CommitFailedError) as raised:
        loser(snapshot)
    assert conflicts.classify(raised.value) is expected


def test_appends_without_a_common_app_transaction_do_not_conflict(table: Path) -> None:
    snapshot = DeltaTable(table)
    append_in_app_transaction(DeltaTable(table))
    append(snapshot, app_transactions=[Transaction("other app", 1)])


def test_other_errors_have_no_cause() -> None:
    assert conflicts.classify(OSError("Concurrent transaction failed")) is None


def test_retries_an_unrelated_conflict_on_the_newer_snapshot(table: Path) -> None:
    snapshot = DeltaTable(table)
    delete_a_row(DeltaTable(table))
    calls = []

    def commit() -> int:
        calls.append(snapshot.version())
        append_in_app_transaction(snapshot)
        return snapshot.version()

    retry_on_conflict(
        commit, on=conflicts.UNRELATED_TO_APPENDS, attempts=2, before_retry=snapshot.update_incremental
    )
    assert calls == [0, 1]
    assert DeltaTable(table).transaction_version("app") == 1


def test_raises_a_conflict_of_another_kind_at_once(table: Path) -> None:
    snapshot = DeltaTable(table)
    append_in_app_transaction(DeltaTable(table))
    retries = []
    with pytest.raises(CommitFailedError, match="Concurrent transaction failed"):
        retry_on_conflict(
            lambda: append_in_app_transaction(snapshot),
            on=conflicts.UNRELATED_TO_APPENDS,
            before_retry=lambda: retries.append(1),
        )
    assert retries == []


def conflicting(calls: list[int]) -> None:
    calls.append(len(calls))
    raise CommitConflict


def test_raises_the_last_conflict_after_the_last_attempt() -> None:
    calls: list[int] = []
    retries: list[int] = []
    with pytest.raises(CommitConflict):
        retry_on_conflict(lambda: conflicting(calls), attempts=3, before_retry=lambda: retries.append(1))
    assert (len(calls), len(retries)) == (3, 2)


def test_raises_the_given_error_after_the_last_attempt() -> None:
    calls: list[int] = []
    with pytest.raises(ValueError, match="run again"):
        retry_on_conflict(lambda: conflicting(calls), attempts=3, exhausted=ValueError("run again"))
    assert len(calls) == 3


def test_an_exception_of_before_retry_ends_the_retries() -> None:
    def refresh() -> None:
        raise CommitConflict("overtaken")

    calls: list[int] = []
    with pytest.raises(CommitConflict, match="overtaken"):
        retry_on_conflict(lambda: conflicting(calls), before_retry=refresh)
    assert len(calls) == 1
