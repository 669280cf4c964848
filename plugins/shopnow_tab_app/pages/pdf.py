"""PDF export of a page, drawn in another process, because the API server should not hold matplotlib."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import msgspec

from shopnow.errors import UserError

TIMEOUT_SECONDS = 60
MAX_ROWS = 1_000
"""Rows of a table that a PDF has at most."""
_SLOTS = BoundedSemaphore(2)
"""PDFs drawn at the same time; each takes a process of more than 100 MB."""
_QUEUE = BoundedSemaphore(6)
"""PDFs drawn or waiting; each takes one of the 40 threads that answer the requests of all of Airflow."""


def render(sheet: dict[str, Any]) -> bytes:
    """Return a sheet (see `pdf_sheets`) as PDF.

    Raises:
        UserError: matplotlib is not installed, or drawing failed or takes too long.
    """
    if find_spec("matplotlib") is None:
        raise UserError(
            "PDFs need the package matplotlib, which is not installed; download the tables as CSV instead"
        )
    folder = str(Path(__file__).parents[1])
    with _slot():
        try:
            process = subprocess.run(
                [sys.executable, "-m", "shopnow_tab_app.pages.pdf_drawing"],
                input=msgspec.json.encode(sheet),
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
                env={"PYTHONPATH": ":".join([folder, *sys.path]), "MPLBACKEND": "agg", "HOME": "/tmp"},  # noqa: S108  (for matplotlib's cache)
            )
        except subprocess.TimeoutExpired:
            raise UserError(
                f"drawing the PDF took more than {TIMEOUT_SECONDS} s; download the tables as CSV instead"
            ) from None
    if process.returncode:
        error = process.stderr.decode(errors="replace").strip()[-200:]
        raise UserError(f"drawing the PDF failed; download the tables as CSV instead: {error}")
    return process.stdout


@contextmanager
def _slot() -> Iterator[None]:
    with _acquired(_QUEUE, 0), _acquired(_SLOTS, TIMEOUT_SECONDS):
        yield


@contextmanager
def _acquired(semaphore: BoundedSemaphore, seconds: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=seconds):
        raise UserError("other PDFs are being drawn; try again in a moment")
    try:
        yield
    finally:
        semaphore.release()
