"""A plugin of pytest: `-p protections.plugin --without NAME` runs tests without one of the product's protections."""

import os
from pathlib import Path

import pytest

from protections.mutations import MUTATIONS

EVERYWHERE = Path(__file__).parent / "everywhere"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without", choices=sorted(MUTATIONS), help="take this protection out")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("without")
    MUTATIONS[name]()
    os.environ |= {
        "SHOPNOW_TEST_WITHOUT": name,
        # For processes of the test: it has the folders of the product by now, from tests/conftest.py.
        "PYTHONPATH": os.pathsep.join(
            [str(EVERYWHERE), str(EVERYWHERE.parents[1]), os.environ["PYTHONPATH"]]
        ),
    }


def pytest_exception_interact(node: pytest.Item, call: pytest.CallInfo, report: pytest.TestReport) -> None:
    """Tells which assertion caught it, on a line of its own that `protections.run` reads."""
    if call.when == "call" and call.excinfo:
        said = call.excinfo.exconly(tryshort=True).splitlines()[0]
        print(f"\ncaught: {node.name}: {said}", flush=True)
