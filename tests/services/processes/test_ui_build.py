"""The build of the pages' sources in `static/` is up to date."""

import shutil
import subprocess
from pathlib import Path

import pytest

from shopnow.settings import ROOT

APP = ROOT / "plugins" / "shopnow_tab_app"
UI = APP / "ui"


def test_static_files_match_a_build_of_the_sources(tmp_path: Path) -> None:
    if not (shutil.which("node") and (UI / "node_modules" / "esbuild").exists()):
        pytest.skip("needs Node, and `npm ci` in plugins/shopnow_tab_app/ui")
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=UI, check=True, capture_output=True)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (APP / "static" / file.name).read_bytes(), (
            f"static/{file.name} is outdated: run `npm run build` in plugins/shopnow_tab_app/ui"
        )
