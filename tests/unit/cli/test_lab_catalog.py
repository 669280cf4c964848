"""Every lab has the same parts: a page with its sections, a folder with a check, and a solution."""

import pytest

from shopnow.cli import lab_catalog
from shopnow.errors import UserError
from shopnow.settings import ROOT

LABS = lab_catalog.labs()
SECTIONS = ["Steps", "Hints", "What you learned"]


def test_there_are_ten_labs_in_order():
    assert [lab.number for lab in LABS] == list(range(1, 11))


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.folder.name)
def test_a_lab_has_all_its_parts(lab):
    text = lab.page.read_text()
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert f"./shopnow lab check {lab.number}" in text
    assert (lab.folder / "check.py").exists()
    assert lab.patch or lab.script
    assert f"({lab.page.name})" in (ROOT / "docs" / "labs" / "README.md").read_text()


def test_every_folder_belongs_to_a_lab():
    folders = {path.parent for path in (ROOT / "labs").glob("*/check.py")}
    assert folders == {lab.folder for lab in LABS}


def test_a_page_without_a_goal_is_named(tmp_path):
    folder = tmp_path / "docs" / "labs"
    folder.mkdir(parents=True)
    (folder / "01-empty.md").write_text("# Lab 1: Empty\n\n**Time:** 5 minutes\n")
    with pytest.raises(UserError, match=r"01-empty.md has no line .*Goal"):
        lab_catalog.labs(tmp_path)
