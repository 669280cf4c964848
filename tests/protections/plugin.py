"""Pytest plugin: `-p protections.plugin --without NAME` runs tests without one protection of the product."""

import json
import os
from pathlib import Path

import pytest

from protections.mutations import MUTATIONS

CAUGHT = (AssertionError, pytest.fail.Exception)
"""What counts as caught; any other exception may have another cause."""
SITECUSTOMIZE_DIR = Path(__file__).parent / "everywhere"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without", choices=sorted(MUTATIONS), help="disable this protection")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("without")
    MUTATIONS[name]()
    os.environ |= {
        "SHOPNOW_TEST_WITHOUT": name,
        # For child processes of the test; tests/conftest.py has already put the product's folders here.
        "PYTHONPATH": os.pathsep.join(
            [str(SITECUSTOMIZE_DIR), str(SITECUSTOMIZE_DIR.parents[1]), os.environ["PYTHONPATH"]]
        ),
    }


def pytest_exception_interact(node: pytest.Item, call: pytest.CallInfo, report: pytest.TestReport) -> None:
    """Print the assertion that failed, on a line that `protections.run` parses."""
    if call.when == "call" and call.excinfo and call.excinfo.errisinstance(CAUGHT):
        message = call.excinfo.exconly(tryshort=True).splitlines()[0]
        print(f"\ncaught: {json.dumps([node.name, message])}", flush=True)
