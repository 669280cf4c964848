"""Drills on a real broker and lake: the fault happens, is undone, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys

import pytest

from shopnow.audit.verify import verify
from shopnow.drills import drill, journal
from shopnow.drills.faults import FAULTS, Target, frozen
from shopnow.drills.file_damage import Files
from shopnow.drills.observe import Observer, quarantined_records
from shopnow.errors import UserError
from shopnow.local_stack import service_signals, supervision
from shopnow.settings import ROOT
from support import killed_drill


@pytest.fixture
def target(stack) -> Target:
    return Target(stack.settings, stack.dags.conf, stack.dags.lake, stack.dags.send_traffic)


@pytest.fixture
def steps() -> list[tuple[str, str]]:
    """What drills report, in order."""
    return []


@pytest.fixture
def run(target, steps):
    """Run a drill to its end; returns what it reached, after proving that nothing is lost."""

    def run(name: str) -> dict:
        observer = Observer(target)
        with observer.running():
            recovery = drill.run(target, name, FAULTS[name], lambda *step: steps.append(step))
        assert 0 < recovery.undone <= recovery.recovered
        assert journal.read(target.settings) is None
        assert [check for check in verify(target.conf, target.lake) if not check.ok] == []
        return observer.highest

    return run


def test_a_killed_broker_is_restarted_and_the_traffic_is_sent_once(run, target, stack):
    before = service_signals.pid(stack.settings, "kafka")
    highest = run("broker-killed")
    assert service_signals.pid(stack.settings, "kafka") != before
    assert highest["lag"] > 0


def test_poison_ends_in_quarantine_and_stops_nothing(run, target):
    before = quarantined_records(target)
    run("poison")
    assert quarantined_records(target) > before


def test_a_damaged_file_is_landed_again(run, target, monkeypatch):
    damaged: list[str] = []
    fault = FAULTS["damaged-file"]

    def inject(target: Target) -> None:
        fault.inject(target)
        damaged.extend(check.detail for check in verify(target.conf, target.lake) if not check.ok)

    monkeypatch.setitem(FAULTS, "damaged-file", fault._replace(inject=inject))
    run("damaged-file")
    assert any("raw/orders: file" in detail for detail in damaged)


def test_two_drills_at_a_time_are_refused(target):
    entry = journal.begin(target.settings, "poison", target.lake, ())
    try:
        with pytest.raises(UserError, match="not undone yet"):
            drill.run(target, "poison", FAULTS["poison"], lambda *step: None)
    finally:
        journal.clear(target.settings)
    assert entry.is_running


def test_ctrl_c_undoes_the_fault(target, stack):
    interrupted = frozen("kafka", "frozen", "", 0)._replace(
        recover=lambda target: signal.raise_signal(signal.SIGINT)
    )
    with pytest.raises(KeyboardInterrupt):
        drill.run(target, "broker-frozen", interrupted, lambda *step: None)
    assert not service_signals.is_frozen(stack.settings, "kafka")
    assert journal.read(target.settings) is None


def next_command(stack) -> subprocess.CompletedProcess:
    """Run `./shopnow status` on the stack."""
    settings = stack.settings.model_dump(exclude_none=True)
    environment = {f"SHOPNOW_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "shopnow.cli", "status", "--json"],
        env={**os.environ, **environment, **stack.variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_command_after_a_killed_drill_thaws_the_broker(target, stack):
    killed_drill.kill(target, "broker-frozen", frozen_service="kafka")
    assert service_signals.is_frozen(stack.settings, "kafka")
    process = next_command(stack)
    assert "undo the fault broker-frozen" in process.stderr
    assert not service_signals.is_frozen(stack.settings, "kafka")
    assert json.loads(process.stdout)["services"][0]["name"] == "kafka"
    assert "undo the fault" not in next_command(stack).stderr


def test_the_command_after_a_killed_drill_writes_the_damaged_file_back(target, stack):
    with stack.dags.paused():
        killed_drill.kill(target, "damaged-file")
        [undo] = journal.read(stack.settings).undo
        intact = (stack.settings.data_dir / "drill" / undo.backup).read_bytes()
        assert Files(target.lake).read(undo.subject) != intact
        assert "undo the fault damaged-file" in next_command(stack).stderr
        assert Files(target.lake).read(undo.subject) == intact
    assert list(journal.folder(stack.settings).iterdir()) == []
    assert supervision.wait_until(lambda: verify_holds(target), 60)


def verify_holds(target: Target) -> bool:
    return all(check.ok for check in verify(target.conf, target.lake))
