"""A drill on the whole stack: the broker is killed while the DAGs run, and the proof holds in the end."""

import json
import os
import signal
import subprocess

import pytest

from shopnow.drills import journal
from shopnow.local_stack import service_signals, supervision
from shopnow.settings import ROOT
from support.full_stack import MINUTE


def test_a_killed_broker_is_survived_by_the_dags(api, shopnow, settings):
    before = service_signals.pid(settings, "kafka")
    process = shopnow("break", "broker-killed", "--yes", "--json")
    result = json.loads(process.stdout)
    assert service_signals.pid(settings, "kafka") != before
    assert result["ok"]
    assert [check["check"] for check in result["checks"] if not check["ok"]] == []
    assert 0 < result["seconds"]["undone"] <= result["seconds"]["recovered"]
    assert result["highest"]["lag"] > 0
    assert journal.read(settings) is None


@pytest.fixture
def interrupted(api, shopnow, settings):
    """A drill that was interrupted by Ctrl-C while its fault was there."""
    environment = {
        f"SHOPNOW_{name.upper()}": str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
    }
    process = subprocess.Popen(
        [ROOT / "shopnow", "break", "engine-frozen", "--yes"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert supervision.wait_until(lambda: service_signals.is_frozen(settings, "sail"), MINUTE)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=MINUTE)
    assert process.returncode == 130, errors
    return errors


def test_ctrl_c_undoes_the_fault(interrupted, settings):
    assert not service_signals.is_frozen(settings, "sail")
    assert journal.read(settings) is None
    assert "thaw" in interrupted
