"""Old files are deleted, newer ones and their folders kept."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopnow.history import old_files

CUTOFF = datetime(2026, 6, 1, tzinfo=UTC)


def write(path: Path, age: timedelta) -> Path:
    """Create a file whose folder is as old as the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("12345")
    modified = (CUTOFF - age).timestamp()
    for changed in (path, path.parent):
        os.utime(changed, (modified, modified))
    return path


def test_old_files_and_their_empty_folders_are_deleted(tmp_path):
    day = timedelta(days=1)
    old = write(tmp_path / "2026-05-01" / "dags" / "old.log", day)
    mixed = write(tmp_path / "mixed" / "old.log", day)
    new = write(tmp_path / "mixed" / "new.log", -day)
    at_cutoff = write(tmp_path / "2026-06-01" / "new.log", timedelta(0))
    latest = tmp_path / "latest"
    latest.symlink_to("2026-06-01", target_is_directory=True)

    assert old_files.purge(tmp_path, CUTOFF, dry_run=True) == (2, 10)
    assert old.exists()
    assert old_files.purge(tmp_path, CUTOFF) == (2, 10)
    assert not old.parent.exists()
    assert not mixed.exists()
    assert new.exists()
    assert at_cutoff.exists()
    assert latest.exists()


def test_a_folder_that_does_not_exist_has_no_old_files(tmp_path):
    assert old_files.purge(tmp_path / "none", CUTOFF) == (0, 0)


def test_an_old_link_is_deleted_and_not_followed(tmp_path):
    target = write(tmp_path / "elsewhere" / "kept.log", -timedelta(days=1))
    link = tmp_path / "logs" / "link"
    link.parent.mkdir()
    link.symlink_to(target.parent, target_is_directory=True)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert old_files.purge(link.parent, CUTOFF).items == 1
    assert target.exists()
