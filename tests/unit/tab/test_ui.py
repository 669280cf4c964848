"""Sources of the pages: translated keys, no circular imports, and an up-to-date build in `static/`."""

import re
from graphlib import TopologicalSorter

from shopnow.settings import ROOT
from shopnow_tab_app import i18n

APP = ROOT / "plugins" / "shopnow_tab_app"
UI = APP / "ui"
SOURCES = sorted(UI.glob("src/**/*.ts*"))


def test_every_key_used_by_the_pages_is_translated() -> None:
    used = {
        key
        for file in SOURCES
        for key in re.findall(r"""\bt\(\s*"(\w+)\"""", file.read_text(encoding="utf-8"))
    }
    assert used
    assert used <= i18n.texts("en").keys()


def test_modules_have_no_circular_imports() -> None:
    graph = {
        file: {
            imported
            for target in re.findall(r"""from "(\.[^"]+)\"""", file.read_text(encoding="utf-8"))
            for suffix in (".ts", ".tsx")
            if (imported := (file.parent / f"{target}{suffix}").resolve()).exists()
        }
        for file in SOURCES
    }
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_pages_load_no_external_resources() -> None:
    for file in (APP / "static").glob("*.html"):
        assert not re.search(r"""(src|href)=["'](https?:)?//""", file.read_text(encoding="utf-8"))
