"""The labs on the code: each check fails on this checkout and passes with the lab's solution."""

import pytest

from shopnow.cli import lab_catalog
from shopnow.settings import ROOT
from support import lab_process

CODE_LABS = [lab for lab in lab_catalog.labs() if lab.patch and not lab.script]


@pytest.fixture
def checkout(tmp_path):
    """A copy of this checkout."""
    return lab_process.copy_checkout(tmp_path / "shopnow")


@pytest.mark.parametrize("lab", CODE_LABS, ids=lambda lab: lab.folder.name)
def test_the_check_fails_without_the_solution_and_passes_with_it(lab, checkout):
    before = lab_process.check(checkout, lab.number)
    assert lab_process.missing(before) == before["requirements"][0]["text"]
    assert "answer the check" not in lab_process.missing(before)
    applied = lab_process.run(checkout, "solution", lab.number, "--apply", "--yes")
    assert applied.returncode == 0, applied.stderr
    after = lab_process.check(checkout, lab.number)
    assert lab_process.missing(after) == ""
    assert len(after["requirements"]) > 2
    again = lab_process.run(checkout, "solution", lab.number, "--apply", "--yes")
    assert again.returncode == 1
    assert "does not fit your code" in again.stderr


WRONG = {
    # A threshold that also fires for two pieces.
    "write_an_alert_rule": (
        "include/shopnow/alerts/rules.toml",
        "threshold = 1\nhysteresis = 2\n",
        "threshold = 2\n",
    ),
    # One of the two engines compares the other way round.
    "add_a_kpi": (
        "spark_apps/shopnow_spark/kpis/fulfilment.py",
        '(F.col("event_time") > F.col("promised_at"))',
        '(F.col("event_time") >= F.col("promised_at"))',
    ),
    # The simulation sends the field in records of version 1.
    "add_an_event_field": (
        "include/shopnow/traffic/faults.py",
        '(b"coupon", b"gift_message")',
        '(b"coupon",)',
    ),
}
"""An error in each solution: the file, the text and what a learner might have written."""


@pytest.mark.parametrize("lab", CODE_LABS, ids=lambda lab: lab.folder.name)
def test_the_check_finds_an_error_in_the_solution(lab, checkout):
    assert lab_process.run(checkout, "solution", lab.number, "--apply", "--yes").returncode == 0
    path, right, wrong = WRONG[lab.folder.name]
    text = (checkout / path).read_text()
    assert text.count(right) == 1
    (checkout / path).write_text(text.replace(right, wrong))
    result = lab_process.check(checkout, lab.number)
    assert not result["done"]
    assert len(result["requirements"]) > 1


def test_code_that_cannot_be_imported_is_named_with_its_line(checkout):
    events = checkout / "include" / "shopnow" / "events.py"
    events.write_text(events.read_text().replace("SCHEMA_VERSION = 2", "SCHEMA_VERSION = = 2"))
    process = lab_process.run(checkout, "check", 7)
    assert process.returncode == 1
    assert "Traceback" not in process.stdout + process.stderr
    assert "events.py, line" in process.stderr


def test_a_number_without_a_lab_is_an_error_that_names_the_range():
    process = lab_process.run(ROOT, "check", 11)
    assert process.returncode == 1
    assert "expected 1 to 10" in process.stderr


def test_the_solution_is_applied_only_after_a_confirmation(checkout):
    process = lab_process.run(checkout, "solution", CODE_LABS[0].number, "--apply")
    assert process.returncode == 1
    assert not lab_process.check(checkout, CODE_LABS[0].number)["done"]
