"""A report as a PDF: pages of A4, filled from the top down."""

import logging
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from itertools import compress
from operator import not_

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D

from shopnow.reports.charts import GREY, INK, Chart
from shopnow.reports.html import BETTER, WORSE
from shopnow.reports.model import Card, Column, Report, Section
from shopnow.text_format import printable

# Whole characters, not drawings of them, so that the text can be searched and copied.
matplotlib.rcParams["pdf.fonttype"] = 42
# It tells of every table of every font that is put into the document.
logging.getLogger("fontTools").setLevel(logging.WARNING)

_WIDTH, _HEIGHT, _MARGIN = 8.27, 11.69, 0.75
_INNER = _WIDTH - 2 * _MARGIN
_LEADING = 1.35
_GAP = 0.12
"""Inches between two columns of a table."""
_LONG = 1.6
"""Inches beyond which a text may be wrapped in a table."""
_CARDS, _CARD = 3, 0.68
"""How many are beside one another, and how high they are."""


def document(report: Report) -> bytes:
    """The bytes of the PDF."""
    out = BytesIO()
    with PdfPages(
        out, metadata={"Title": report.title, "Author": "ShopNow+", "Subject": "Report of a day"}
    ) as pdf:
        pages = _Pages(pdf, report.title)
        pages.write(report.title, 18, weight="bold")
        pages.write(report.status, 12, weight="bold", colour=BETTER if report.sound else WORSE)
        for words in report.words:
            pages.write(words)
        for section in report.sections:
            _section(pages, section)
        if report.definitions:
            _heading(pages, "How the figures are defined", 0.6)
            for table, meant in report.definitions.items():
                pages.need(0.5)
                pages.write(table, 8, weight="bold")
                for name, words in meant.items():
                    pages.write(f"{name}: {words}", 7.5)
        pages.end()
    return out.getvalue()


def _section(pages: "_Pages", section: Section) -> None:
    charts = section.charts
    # Its heading is not left alone at the foot of a page, nor is a short table torn apart.
    least = charts[0].height + 0.2 if charts else min(0.3 * len(section.rows) + 0.6, 4)
    _heading(
        pages, section.title, least + 0.2 * len(section.words) + _CARD * -(-len(section.cards) // _CARDS)
    )
    for words in section.words:
        pages.write(words)
    pages.cards(section.cards)
    for chart in charts:
        pages.chart(chart)
    if section.columns:
        pages.table(section.columns, section.rows)
    if section.note:
        pages.write(section.note, 8, colour=GREY)


def _heading(pages: "_Pages", title: str, with_it: float) -> None:
    pages.need(0.5 + with_it)
    pages.skip(0.18)
    pages.write(title, 13, weight="bold")


class _Pages:
    """Where the next thing goes. Lengths are inches from the upper left corner of a page."""

    def __init__(self, pdf: PdfPages, title: str) -> None:
        self._pdf, self._title = pdf, title
        self._number = 0
        self._begin()

    def write(self, text: str, size: float = 9.5, weight: str = "normal", colour: str = INK) -> None:
        """A paragraph."""
        for line in self._wrapped(text, _INNER, size, weight):
            self.need(size / 72 * _LEADING)
            self._put(line, _MARGIN, size, weight, colour)
            self.skip(size / 72 * _LEADING)
        self.skip(0.05)

    def cards(self, cards: Sequence[Card]) -> None:
        width = _INNER / _CARDS
        for first in range(0, len(cards), _CARDS):
            self.need(_CARD)
            for place, card in enumerate(cards[first : first + _CARDS]):
                left = _MARGIN + place * width
                colour = GREY if card.better is None else BETTER if card.better else WORSE
                for down, text, size, weight, shade in (
                    (0.0, card.title, 8.5, "normal", GREY),
                    (0.16, card.value, 14, "bold", INK),
                    (0.42, card.beside, 8, "normal", colour),
                ):
                    self._put(text, left, size, weight, shade, down=down)
            self.skip(_CARD)

    def chart(self, chart: Chart) -> None:
        self.need(chart.height)
        axes = self._figure.add_axes((0, 0, 1, 1))
        chart.draw(axes)
        # What is written around the axes is to fit as well: see how far it reaches, then move them in.
        box = (
            _MARGIN / _WIDTH,
            1 - (self._y + chart.height) / _HEIGHT,
            _INNER / _WIDTH,
            chart.height / _HEIGHT,
        )
        axes.set_position(box)
        around = axes.get_tightbbox(self._canvas.get_renderer()).transformed(
            self._figure.transFigure.inverted()
        )  # type: ignore[union-attr]
        left, below = box[0] - around.x0, box[1] - around.y0
        right, above = max(around.x1 - box[0] - box[2], 0), max(around.y1 - box[1] - box[3], 0)
        axes.set_position((box[0] + left, box[1] + below, box[2] - left - right, box[3] - below - above))
        self.skip(chart.height + 0.15)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        size = 8.5
        widths = self._widths(columns, rows, size)
        head = [column.heading for column in columns]
        for number, row in enumerate(rows):
            if self.need(0.5) or number == 0:
                self._row(columns, head, widths, size, "bold", GREY)
            self._row(columns, row, widths, size, "normal", INK)
        self.skip(0.08)

    def need(self, height: float) -> bool:
        """Turn the page if there is not so much room left; whether it was."""
        if self._y + height <= _HEIGHT - _MARGIN:
            return False
        self.end()
        self._begin()
        return True

    def skip(self, height: float) -> None:
        self._y += height

    def end(self) -> None:
        """Finish the page."""
        foot = _HEIGHT - _MARGIN / 2
        self._put(self._title, _MARGIN, 7.5, "normal", GREY, down=foot - self._y)
        self._put(
            str(self._number), _WIDTH - _MARGIN, 7.5, "normal", GREY, down=foot - self._y, align="right"
        )
        self._pdf.savefig(self._figure)

    def _begin(self) -> None:
        self._figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)
        self._number += 1
        self._y = _MARGIN

    def _row(
        self,
        columns: Sequence[Column],
        row: Sequence[str],
        widths: Sequence[float],
        size: float,
        weight: str,
        colour: str,
    ) -> None:
        cells = [self._wrapped(text, width, size, weight) for text, width in zip(row, widths, strict=True)]
        height = max(map(len, cells)) * size / 72 * _LEADING + 0.07
        self.need(height)
        left = _MARGIN
        for column, lines, width in zip(columns, cells, widths, strict=True):
            for number, line in enumerate(lines):
                x, align = (left + width, "right") if column.numeric else (left, "left")
                self._put(line, x, size, weight, colour, down=number * size / 72 * _LEADING, align=align)
            left += width + _GAP
        self.skip(height)
        y = 1 - (self._y - 0.03) / _HEIGHT
        rule = Line2D(
            [_MARGIN / _WIDTH, 1 - _MARGIN / _WIDTH],
            [y, y],
            color="#D1D5DB",
            linewidth=0.5,
            transform=self._figure.transFigure,
        )
        self._figure.add_artist(rule)

    def _widths(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], size: float) -> list[float]:
        """Numbers and short texts get what they need, long ones share the rest by what they would need."""
        room = _INNER - _GAP * (len(columns) - 1)
        lines = [[column.heading for column in columns], *rows]
        wanted = [max(_length(text, size, "bold") for text in texts) for texts in zip(*lines, strict=True)]
        long = [width > _LONG and not column.numeric for width, column in zip(wanted, columns, strict=True)]
        if not any(long):
            return [wanted[0] + room - sum(wanted), *wanted[1:]]
        share = (room - sum(compress(wanted, map(not_, long)))) / sum(compress(wanted, long))
        return [width * share if is_long else width for width, is_long in zip(wanted, long, strict=True)]

    def _put(
        self,
        text: str,
        x: float,
        size: float,
        weight: str,
        colour: str,
        down: float = 0.0,
        align: str = "left",
    ) -> None:
        place = (x / _WIDTH, 1 - (self._y + down) / _HEIGHT)
        self._figure.text(
            *place,
            printable(text),
            fontsize=size,
            fontweight=weight,
            color=colour,
            ha=align,
            va="top",
            parse_math=False,
        )

    def _wrapped(self, text: str, width: float, size: float, weight: str) -> list[str]:
        """The text in lines no longer than that; a word that is too long is cut."""
        lines = [""]
        for word in printable(" ".join(text.split())).split():
            longer = f"{lines[-1]} {word}".strip()
            if _length(longer, size, weight) <= width:
                lines[-1] = longer
                continue
            if lines[-1]:
                lines.append("")
            while _length(word, size, weight) > width and len(word) > 1:
                fits = next(
                    (n for n in range(len(word) - 1, 1, -1) if _length(word[:n], size, weight) <= width), 1
                )
                lines[-1:] = [word[:fits], ""]
                word = word[fits:]
            lines[-1] = word
        return lines


def _length(text: str, size: float, weight: str = "normal") -> float:
    """How long a text is when it is drawn; measuring it as a whole takes a hundred times as long."""
    return sum(_advance(character, weight) for character in text) * size / 72


@cache
def _advance(character: str, weight: str) -> float:
    """The width of a character, as a share of its size."""
    font = get_font(findfont(FontProperties(weight=weight)))
    font.set_size(100, 72)
    try:
        return font.load_char(ord(character)).linearHoriAdvance / 65536 / 100
    except RuntimeError:  # not in this font, so it is drawn from one of last resort
        return 1.0
