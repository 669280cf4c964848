"""The journal of a drill outlives the drill, and belongs to one process."""

import msgspec
import psutil
import pytest

from shopnow.drills import journal
from shopnow.drills.faults import FAULTS
from shopnow.drills.journal import Undo
from shopnow.errors import UserError
from shopnow.settings import Settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_without_a_drill_there_is_no_journal(settings):
    assert journal.read(settings) is None


def test_the_journal_has_what_to_undo(settings):
    undo = (Undo("thaw", "sail"), Undo("write_back", "raw/orders/x", "backup"))
    entry = journal.begin(settings, "poison", "hdfs://lake", undo)
    assert journal.read(settings) == entry
    assert (entry.fault, entry.lake, entry.undo) == ("poison", "hdfs://lake", undo)
    assert [file.name for file in journal.folder(settings).iterdir()] == ["journal.json"]


def test_a_second_drill_does_not_replace_the_journal_of_the_first(settings):
    first = journal.begin(settings, "poison", "hdfs://lake", (Undo("start", "kafka"),))
    with pytest.raises(UserError, match="another drill"):
        journal.begin(settings, "late-flood", "hdfs://lake", ())
    assert journal.read(settings) == first


def test_clearing_removes_the_journal_and_its_backups(settings, tmp_path):
    backup = tmp_path / "backup"
    backup.write_bytes(b"bytes")
    journal.begin(settings, "damaged-file", "hdfs://lake", (Undo("write_back", "file", str(backup)),))
    journal.clear(settings)
    assert journal.read(settings) is None
    assert not backup.exists()
    journal.clear(settings)


def test_a_drill_runs_while_its_process_lives(settings):
    entry = journal.begin(settings, "poison", "hdfs://lake", ())
    assert entry.is_running
    # The pid was given to another process, which started at another time.
    assert not msgspec.structs.replace(entry, process_started_at=0.0).is_running
    unused = max(psutil.pids()) + 100_000
    assert not msgspec.structs.replace(entry, pid=unused).is_running


def test_every_fault_says_what_stays():
    assert all(fault.title and fault.watch and fault.stays for fault in FAULTS.values())
