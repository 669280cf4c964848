"""The generated docs are those the code makes now."""

import importlib.util

import pytest

from shopnow.settings import ROOT

_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_up_to_date(name):
    assert (ROOT / "docs" / name).read_text() == generate.PAGES[name](), "run: python docs/generate.py"


def test_no_schema_is_left_of_a_type_that_is_gone():
    assert {f"schemas/{file.name}" for file in (ROOT / "docs" / "schemas").iterdir()} == {
        name for name in generate.PAGES if "/" in name
    }
