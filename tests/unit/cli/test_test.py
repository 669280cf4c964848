"""What `./shopnow test` selects."""

import pytest

from shopnow.cli.test import select
from shopnow.cli.tiers import TIERS
from shopnow.errors import UserError
from shopnow.settings import ROOT


def names(arguments: list[str], changed: bool = False, without: tuple[str, ...] = ()) -> list[str]:
    return [tier.name for tier in select(arguments, changed, without).tiers]


def test_every_folder_with_tests_belongs_to_one_tier() -> None:
    folders = [folder for tier in TIERS.values() for folder in tier.folders]
    with_tests = {
        f"tests/{file.relative_to(ROOT / 'tests').parts[0]}" for file in ROOT.glob("tests/**/test_*.py")
    }
    assert sorted(folders) == sorted(with_tests)


def test_all_tiers_run_unless_some_are_named_or_left_out() -> None:
    assert names([]) == ["unit", "services", "stack", "chaos"]
    assert names(["chaos", "unit"]) == ["unit", "chaos"]
    assert names([], without=("stack", "browser")) == ["unit", "services", "chaos"]


def test_a_tool_is_left_out_of_its_tier() -> None:
    assert select([], False, ["browser", "chaos"]).left_out == {"browser"}


def test_a_change_is_tested_where_it_can_be_traced() -> None:
    selection = select([], True, [])
    assert ([tier.name for tier in selection.tiers], selection.options) == (
        ["unit", "services"],
        ["--testmon"],
    )


def test_words_that_are_no_tier_are_arguments_of_pytest() -> None:
    selection = select(["unit", "-k", "landing"], False, [])
    assert (selection.options, selection.has_paths) == (["-k", "landing"], False)
    assert select(["tests/unit/test_ids.py::test_x", "-x"], False, []).has_paths


def test_an_unknown_name_or_an_empty_selection_is_reported() -> None:
    with pytest.raises(UserError, match="--without crhomium is unknown: expected one of unit, services"):
        select([], False, ["crhomium"])
    with pytest.raises(UserError, match="nothing is left to run"):
        select(["unit"], False, ["unit"])
