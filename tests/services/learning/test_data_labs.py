"""The labs on running services: each check fails on a lake with traffic, and passes with the solution."""

import json
from contextlib import nullcontext

import pytest

from shopnow import connections
from shopnow.audit.verify import verify
from shopnow.cli import lab_catalog
from shopnow.settings import ROOT
from support import lab_process

DATA_LABS = [lab for lab in lab_catalog.labs() if lab.script]


@pytest.mark.parametrize("lab", DATA_LABS, ids=lambda lab: lab.folder.name)
def test_the_check_fails_without_the_solution_and_passes_with_it(lab, stack, tmp_path):
    root = lab_process.copy_checkout(tmp_path / "shopnow") if lab.patch else ROOT
    before = lab_process.check(root, lab.number, stack.variables)
    assert lab_process.missing(before) == before["requirements"][0]["text"]
    assert "answer the check" not in lab_process.missing(before)
    # Its page says to pause land_events.
    is_paused = lab.folder.name == "recover_from_lost_offsets"
    with stack.dags.paused() if is_paused else nullcontext():
        applied = lab_process.run(root, "solution", lab.number, "--apply", "--yes", **stack.variables)
    assert applied.returncode == 0, applied.stderr
    assert lab_process.missing(lab_process.check(root, lab.number, stack.variables)) == ""


def test_the_proof_holds_after_all_labs(stack):
    with stack.dags.paused():
        checks = verify(stack.dags.conf, stack.dags.lake)
    assert [check for check in checks if not check.ok] == []


def test_services_that_do_not_answer_are_named_with_what_to_do():
    nowhere = {
        "conn_type": "webhdfs",
        "host": "127.0.0.1",
        "port": 1,
        "extra": {"lake": "hdfs://127.0.0.1:1/x"},
    }
    variables = {connections.variable_name("webhdfs_default"): json.dumps(nowhere)}
    process = lab_process.run(ROOT, "check", 1, **variables)
    assert process.returncode == 1
    assert "Traceback" not in process.stdout + process.stderr
    assert "check the address, that HDFS runs" in process.stderr
