"""PDF export of a page, drawn in another process, because the API server should not hold matplotlib."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from shopnow.errors import UserError

TIMEOUT_SECONDS = 60


def render(sheet: dict[str, Any]) -> bytes:
    """Return a sheet (see `pdf_sheets`) as PDF.

    Raises:
        UserError: matplotlib is not installed, or drawing failed.
    """
    if find_spec("matplotlib") is None:
        raise UserError(
            "PDFs need the package matplotlib, which is not installed; download the tables as CSV instead"
        )
    folder = str(Path(__file__).parents[1])
    process = subprocess.run(
        [sys.executable, "-m", "shopnow_tab_app.pages.pdf_drawing"],
        input=msgspec.json.encode(sheet),
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        env={"PYTHONPATH": ":".join([folder, *sys.path]), "MPLBACKEND": "agg", "HOME": "/tmp"},  # noqa: S108  (for matplotlib's cache)
    )
    if process.returncode:
        error = process.stderr.decode(errors="replace").strip()[-200:]
        raise UserError(f"drawing the PDF failed; download the tables as CSV instead: {error}")
    return process.stdout
