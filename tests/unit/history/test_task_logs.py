"""Logs are deleted with their run, and never before it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopnow.history import task_logs

CUTOFF = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW = CUTOFF - timedelta(days=1), CUTOFF + timedelta(days=1)


def log_of(base: Path, run_id: str, modified: datetime) -> Path:
    """Create the log of a run's task; returns the run's folder."""
    folder = base / "dag_id=d" / f"run_id={run_id}"
    (folder / "task_id=t").mkdir(parents=True)
    (folder / "task_id=t" / "attempt=1.log").write_text("12345")
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (modified.timestamp(), modified.timestamp()))
    return folder


def test_logs_of_runs_that_are_gone_are_deleted(tmp_path):
    gone = log_of(tmp_path, "scheduled__2026-05-01T00:00:00+00:00", OLD)
    waiting = log_of(tmp_path, "manual__2026-05-01T00:00:00+00:00", OLD)
    of_cluster = log_of(tmp_path, "manual__2026-05-01T00_00_00+00_00", OLD)
    just_created = log_of(tmp_path, "manual__2026-06-02T00:00:00+00:00", NEW)
    other = tmp_path / "dag_processor" / "2026-05-01" / "a.log"
    other.parent.mkdir(parents=True)
    other.touch()
    kept = {("d", "manual__2026-05-01T00:00:00+00:00"), ("e", "scheduled__2026-05-01T00:00:00+00:00")}

    assert task_logs.purge_local(tmp_path, kept, CUTOFF, dry_run=True) == (1, 5)
    assert gone.exists()
    assert task_logs.purge_local(tmp_path, kept, CUTOFF) == (1, 5)
    assert not gone.exists()
    assert all(path.exists() for path in (waiting, of_cluster, just_created, other))


def test_a_run_with_one_recent_log_is_kept(tmp_path):
    folder = log_of(tmp_path, "r", OLD)
    (folder / "task_id=t" / "attempt=2.log").write_text("cleared and running again")
    assert task_logs.purge_local(tmp_path, set(), CUTOFF) == (0, 0)
