"""The pages' sources: the same words in both languages, none missing, and what is committed is what they build."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shopnow.settings import ROOT

APP = ROOT / "plugins" / "shopnow_tab_app"
UI = APP / "ui"


def words(language: str) -> dict[str, str]:
    return json.loads((UI / "src" / "words" / f"{language}.json").read_text(encoding="utf-8"))


def test_every_word_is_there_in_both_languages_with_the_same_blanks() -> None:
    english, french = words("en"), words("fr")
    assert english.keys() == french.keys()
    for word, text in english.items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", french[word])), word


def test_every_word_that_pages_use_is_known() -> None:
    used = {
        word
        for file in UI.glob("src/**/*.ts*")
        for word in re.findall(r"""\bt\("(\w+)\"""", file.read_text(encoding="utf-8"))
    }
    assert used <= words("en").keys()


def test_pages_load_nothing_from_elsewhere() -> None:
    for file in (APP / "static").glob("*.html"):
        assert not re.search(r"""(src|href)=["'](https?:)?//""", file.read_text(encoding="utf-8"))


def test_built_pages_are_those_their_sources_build(tmp_path: Path) -> None:
    if not (shutil.which("node") and (UI / "node_modules" / "esbuild").exists()):
        pytest.skip("no Node, or `npm ci` was not run in the pages' folder")
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=UI, check=True, capture_output=True)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (APP / "static" / file.name).read_bytes(), (
            f"{file.name}: run `npm run build`"
        )
