"""The generated docs are up to date, and every relative link in the docs resolves."""

import importlib.util
import re

import pytest

from shopnow.settings import ROOT

_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_page_is_up_to_date(name):
    assert (ROOT / "docs" / name).read_text() == generate.PAGES[name](), "run: python docs/generate.py"


def test_every_schema_file_belongs_to_an_event_type():
    assert {f"schemas/{file.name}" for file in (ROOT / "docs" / "schemas").iterdir()} == {
        name for name in generate.PAGES if "/" in name
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(document):
    targets = [link.partition("#") for link in LINK.findall(document.read_text()) if "://" not in link]
    broken = []
    for path, _, anchor in targets:
        target = (document.parent / path) if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    assert broken == []


def anchors(document) -> set[str]:
    """Return the heading anchors of a document, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_every_setting_is_documented_once():
    names = re.findall(r"^\| `(SHOPNOW_\w+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    assert len(names) == len(set(names))


def test_glossary_names_existing_modules():
    paths = re.findall(r"`([\w/.]+(?:\.py|\.toml|/))`", (ROOT / "docs" / "glossary.md").read_text())
    outside = {folder.name for folder in ROOT.iterdir() if folder.is_dir()}
    library = ROOT / "include" / "shopnow"
    files = [(ROOT if path.partition("/")[0] in outside else library) / path for path in paths]
    assert [str(file) for file in files if not file.exists()] == []
