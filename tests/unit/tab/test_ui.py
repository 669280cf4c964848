"""Sources of the pages: translated keys, no circular imports, and an up-to-date build in `static/`."""

import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

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


def test_static_files_match_a_build_of_the_sources(tmp_path: Path) -> None:
    if not (shutil.which("node") and (UI / "node_modules" / "esbuild").exists()):
        pytest.skip("needs Node, and `npm ci` in plugins/shopnow_tab_app/ui")
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=UI, check=True, capture_output=True)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (APP / "static" / file.name).read_bytes(), (
            f"static/{file.name} is outdated: run `npm run build` in plugins/shopnow_tab_app/ui"
        )
