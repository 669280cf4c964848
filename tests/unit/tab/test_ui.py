"""Sources of the pages: complete translations, no circular imports, and an up-to-date build in `static/`."""

import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest

from shopnow import kpis
from shopnow.alerts import rules
from shopnow.events import TOPICS, Method
from shopnow.settings import ROOT
from shopnow.traffic.catalogue import CATALOGUE
from shopnow_tab_app import i18n, topic_tail
from shopnow_tab_app.pages import deliveries, orders, payments

APP = ROOT / "plugins" / "shopnow_tab_app"
UI = APP / "ui"
SOURCES = sorted(UI.glob("src/**/*.ts*"))

API_CODES: dict[str, tuple[str, ...]] = {
    "order_status": get_args(orders.Status),
    "payment_status": get_args(payments.Status),
    "payment_method": get_args(Method),
    "delivery_stage": deliveries.STAGES,
    "category": tuple({product.category for product in CATALOGUE}),
    "event": tuple(
        str(event.__struct_config__.tag) for name in topic_tail.TOPICS for event in TOPICS[name].types
    ),
}
"""Codes that the pages translate, by scope."""


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english, french = i18n.texts("en"), i18n.texts("fr")
    assert list(english) == list(french)
    for key, text in english.items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", french[key])), key


def test_french_texts_have_a_space_before_double_punctuation() -> None:
    assert not [text for text in i18n.texts("fr").values() if re.search(r"(?<! )[:;?!](\s|$)", text)]


def test_every_key_used_by_the_pages_is_translated() -> None:
    used = {
        key
        for file in SOURCES
        for key in re.findall(r"""\bt\(\s*"(\w+)\"""", file.read_text(encoding="utf-8"))
    }
    assert used
    assert used <= i18n.texts("en").keys()


@pytest.mark.parametrize("scope", API_CODES)
def test_every_api_code_is_translated(scope: str) -> None:
    assert {f"{scope}_{code}" for code in API_CODES[scope]} <= i18n.texts("en").keys()


def test_english_texts_match_the_alert_rules_and_kpi_titles() -> None:
    """The pages find the translation of a rule or KPI by its English text."""
    english = i18n.texts("en")
    for name, rule in rules.load().items():
        assert english[f"alert_title_{name}"] == rule.title
        assert english[f"alert_todo_{name}"] == rule.todo
    for kpi in kpis.KPIS:
        assert english[kpi.name.replace("/", "_")] == kpi.title


def test_ui_modules_have_no_circular_imports() -> None:
    graph = {
        file: {
            resolved
            for target in re.findall(r"""from "(\.[^"]+)\"""", file.read_text(encoding="utf-8"))
            for suffix in (".ts", ".tsx")
            if (resolved := (file.parent / f"{target}{suffix}").resolve()).exists()
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
