"""Drawing of PDF documents with matplotlib: A4 pages that fill from top to bottom, and measured text.

Lengths are inches from the upper left corner of a page.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D

from shopnow.text_format import printable

# Embed fonts as TrueType, so that the text can be searched and copied.
matplotlib.rcParams["pdf.fonttype"] = 42
# fontTools logs every table of every font it embeds.
logging.getLogger("fontTools").setLevel(logging.WARNING)

WIDTH, HEIGHT = 8.27, 11.69
"""A4."""


class PdfCanvas:
    """The current page of a document and the position `y` where the next item goes."""

    def __init__(
        self, pdf: PdfPages, top: float, bottom: float, footer: Callable[["PdfCanvas", int], None]
    ) -> None:
        """Start the first page.

        Args:
            pdf: the document to write to.
            top: upper margin.
            bottom: lower margin.
            footer: draws the footer of a page, given the canvas and the page number from 1.
        """
        self.y = top
        self._pdf, self._top, self._bottom, self._footer = pdf, top, bottom, footer
        self._page_number = 0
        self._start_page()

    def text(self, x: float, text: str, down: float = 0.0, **style: Any) -> None:
        """Draw text at `x`, `down` below the current position, with matplotlib's text properties `style`."""
        # Text may come from events, so a $ in it must not start a formula.
        self.figure.text(x / WIDTH, 1 - (self.y + down) / HEIGHT, printable(text), parse_math=False, **style)

    def rule(self, left: float, right: float, down: float, color: str, linewidth: float) -> None:
        """Draw a horizontal line, `down` below the current position."""
        y = 1 - (self.y + down) / HEIGHT
        line = Line2D(
            [left / WIDTH, right / WIDTH],
            [y, y],
            color=color,
            linewidth=linewidth,
            transform=self.figure.transFigure,
        )
        self.figure.add_artist(line)

    def axes(self, left: float, width: float, height: float) -> Axes:
        """Add axes whose upper edge is at the current position."""
        return self.figure.add_axes(self.box(left, width, height))

    def box(self, left: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Return a rectangle at the current position in matplotlib's fractions of the page."""
        return left / WIDTH, 1 - (self.y + height) / HEIGHT, width / WIDTH, height / HEIGHT

    def need(self, height: float) -> bool:
        """Start a new page if less than `height` is left; return whether one was started."""
        if self.y + height <= HEIGHT - self._bottom:
            return False
        self.finish_page()
        self._start_page()
        return True

    def skip(self, height: float) -> None:
        self.y += height

    def finish_page(self) -> None:
        """Write the current page to the document."""
        self._pdf.savefig(self.figure)

    def _start_page(self) -> None:
        self.figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        self.renderer = FigureCanvasAgg(self.figure).get_renderer()
        self._page_number += 1
        self.y = self._top
        self._footer(self, self._page_number)


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of drawn text, by its characters: a hundred times faster than drawing it."""
    return sum(_advance(character, weight) for character in text) * size / 72


def wrap_text(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Wrap text into lines of at most `width`; a longer word is split."""
    lines = [""]
    for word in printable(" ".join(text.split())).split():
        extended = f"{lines[-1]} {word}".strip()
        if text_width(extended, size, weight) <= width:
            lines[-1] = extended
            continue
        if lines[-1]:
            lines.append("")
        while text_width(word, size, weight) > width and len(word) > 1:
            lengths = range(len(word) - 1, 1, -1)
            fitting = next((n for n in lengths if text_width(word[:n], size, weight) <= width), 1)
            lines[-1:] = [word[:fitting], ""]
            word = word[fitting:]
        lines[-1] = word
    return lines


@cache
def _advance(character: str, weight: str) -> float:
    """Return the width of a character as a fraction of the font size."""
    font = get_font(findfont(FontProperties(weight=weight)))
    font.set_size(100, 72)
    try:
        return font.load_char(ord(character)).linearHoriAdvance / 65536 / 100
    except RuntimeError:  # the font lacks the character, so a fallback font draws it
        return 1.0
