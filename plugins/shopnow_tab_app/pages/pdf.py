"""Sheets as PDF, drawn by matplotlib in a process of its own, which the API server need not hold in memory.

`python -m shopnow_tab_app.pages.pdf` reads a sheet as JSON and writes the PDF.
"""

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from shopnow.errors import UserError

SECONDS = 60
PAGE = (8.27, 11.69)
"""A4, in inches."""
TOP, BOTTOM, LEFT, RIGHT = 0.94, 0.05, 0.08, 0.92
ROW = 0.0165
COLOURS = ("#3b5b89", "#15803d", "#a16207", "#b91c1c")


def render(sheet: dict[str, Any]) -> bytes:
    """The sheet as PDF.

    Raises:
        UserError: matplotlib is not installed, or fails.
    """
    if find_spec("matplotlib") is None:
        raise UserError(
            "PDFs need the package matplotlib, which is not installed: take the page's tables as CSV"
        )
    folder = str(Path(__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-m", "shopnow_tab_app.pages.pdf"],
        input=json.dumps(sheet).encode(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env={"PYTHONPATH": ":".join([folder, *sys.path]), "MPLBACKEND": "agg", "HOME": "/tmp"},  # noqa: S108  (for matplotlib's cache)
    )
    if run.returncode:
        raise UserError(f"the PDF could not be drawn: {run.stderr.decode(errors='replace').strip()[-200:]}")
    return run.stdout


class _Paper:
    """Pages that fill from top to bottom."""

    def __init__(self, pages: Any, title: str) -> None:
        from matplotlib.figure import Figure

        self._figure, self._pages, self._title, self._numbers = Figure, pages, title, count(1)
        self._page: Any = None
        self.turn()

    def turn(self) -> None:
        self.end()
        self._page = self._figure(figsize=PAGE)
        self.y = TOP
        self.text(LEFT, 0.02, f"{self._title} · {next(self._numbers)}", size=7, color="#667085")

    def end(self) -> None:
        if self._page:
            self._pages.savefig(self._page)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        # Texts come from events: a $ in them is no formula.
        self._page.text(x, y, text, parse_math=False, **{"size": 9, **style})

    def axes(self, height: float) -> Any:
        made = self._page.add_axes((LEFT + 0.03, self.y - height, RIGHT - LEFT - 0.03, height))
        made.spines[["top", "right"]].set_visible(False)
        made.tick_params(labelsize=7)
        return made

    def need(self, height: float) -> None:
        if self.y - height < BOTTOM:
            self.turn()

    def heading(self, text: str) -> None:
        self.text(LEFT, self.y, text, size=11, weight="bold")
        self.y -= 0.022

    def rule(self) -> None:
        from matplotlib.lines import Line2D

        self._page.add_artist(Line2D([LEFT, RIGHT], [self.y + 0.011] * 2, color="#d0d5dd", linewidth=0.6))


def draw(sheet: dict[str, Any], out: Any) -> None:
    """Write the sheet as PDF."""
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(out, metadata={"Title": sheet["title"], "Creator": "ShopNow+"}) as pages:
        paper = _Paper(pages, sheet["title"])
        paper.text(LEFT, paper.y, sheet["title"], size=16, weight="bold")
        paper.y -= 0.025
        paper.text(LEFT, paper.y, sheet["subtitle"], color="#667085")
        paper.y -= 0.04
        _cards(paper, sheet["cards"])
        for chart in sheet["charts"]:
            _chart(paper, chart)
        for table in sheet["tables"]:
            _table(paper, table)
        paper.end()


def _cards(paper: _Paper, cards: list[list[str]]) -> None:
    for start in range(0, len(cards), 4):
        for column, (name, value) in enumerate(cards[start : start + 4]):
            x = LEFT + column * (RIGHT - LEFT) / 4
            paper.text(x, paper.y, name, size=8, color="#667085")
            paper.text(x, paper.y - 0.022, value, size=14, weight="bold")
        paper.y -= 0.06


def _chart(paper: _Paper, chart: dict[str, Any]) -> None:
    paper.need(0.24)
    paper.heading(chart["title"])
    axes = paper.axes(0.15)
    places = range(len(chart["labels"]))
    bottom = [0.0] * len(places)
    for colour, (name, values) in zip(COLOURS, chart["series"].items(), strict=False):
        known = [value or 0 for value in values]
        if chart["kind"] == "line":
            axes.plot(places, known, color=colour, label=name, linewidth=1.4)
        else:
            axes.bar(places, known, bottom=bottom, color=colour, label=name, width=0.6)
            bottom = [one + other for one, other in zip(bottom, known, strict=True)]
    step = max(len(places) // 8, 1)
    axes.set_xticks(list(places)[::step], chart["labels"][::step])
    axes.set_ylim(bottom=0)
    if len(chart["series"]) > 1:
        axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0, 1.16))
    paper.y -= 0.21


def _table(paper: _Paper, table: dict[str, Any]) -> None:
    paper.need(ROW * 5)
    paper.heading(table["title"])
    longest = [
        max(min(len(row[column]), 44) for row in (table["columns"], *table["rows"])) + 2
        for column in range(len(table["columns"]))
    ]
    width = (RIGHT - LEFT) / sum(longest)
    for number, row in enumerate((table["columns"], *table["rows"])):
        paper.need(ROW)
        x = LEFT
        for text, length in zip(row, longest, strict=True):
            paper.text(
                x,
                paper.y,
                textwrap.shorten(text, length, placeholder="…") or text[: length - 1],
                size=7.5,
                weight="normal" if number else "bold",
            )
            x += length * width
        paper.y -= ROW
        paper.rule()
    paper.y -= 0.02


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.stdout.buffer)
