"""A report as a PDF document."""

from collections.abc import Sequence
from io import BytesIO
from itertools import compress
from operator import not_
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages

from shopnow.pdf_canvas import HEIGHT, WIDTH, PdfCanvas, text_width, wrap_text
from shopnow.reports.charts import GREY, INK, Chart
from shopnow.reports.html import BETTER, WORSE
from shopnow.reports.model import Card, Column, Report, Section

# Lengths are inches.
_MARGIN = 0.75
_INNER_WIDTH = WIDTH - 2 * _MARGIN
_LINE_HEIGHT = 1.35
"""Relative to the font size."""
_COLUMN_GAP = 0.12
_LONG_TEXT = 1.6
"""Width beyond which a text may be wrapped in a table."""
_CARDS_PER_ROW, _CARD_HEIGHT = 3, 0.68


def document(report: Report) -> bytes:
    """Return the bytes of the PDF."""
    out = BytesIO()
    with PdfPages(
        out, metadata={"Title": report.title, "Author": "ShopNow+", "Subject": "Report of a day"}
    ) as pdf:
        layout = _Layout(pdf, report.title)
        layout.paragraph(report.title, 18, weight="bold")
        layout.paragraph(report.status, 12, weight="bold", color=BETTER if report.is_sound else WORSE)
        for notice in report.notices:
            layout.paragraph(notice)
        for section in report.sections:
            _section(layout, section)
        if report.definitions:
            layout.heading("How the figures are defined", 0.6)
            for table, definitions in report.definitions.items():
                layout.canvas.need(0.5)
                layout.paragraph(table, 8, weight="bold")
                for name, definition in definitions.items():
                    layout.paragraph(f"{name}: {definition}", 7.5)
        layout.canvas.finish_page()
    return out.getvalue()


def _section(layout: "_Layout", section: Section) -> None:
    charts = section.charts
    # Keep the heading with what follows, and a short table on one page.
    first_item = charts[0].height + 0.2 if charts else min(0.3 * len(section.rows) + 0.6, 4)
    card_rows = -(-len(section.cards) // _CARDS_PER_ROW)
    layout.heading(section.title, first_item + 0.2 * len(section.paragraphs) + _CARD_HEIGHT * card_rows)
    for paragraph in section.paragraphs:
        layout.paragraph(paragraph)
    layout.cards(section.cards)
    for chart in charts:
        layout.chart(chart)
    if section.columns:
        layout.table(section.columns, section.rows)
    if section.note:
        layout.paragraph(section.note, 8, color=GREY)


class _Layout:
    """Draws the parts of a report one below the other."""

    def __init__(self, pdf: PdfPages, title: str) -> None:
        self._title = title
        self.canvas = PdfCanvas(pdf, _MARGIN, _MARGIN, self._footer)

    def heading(self, title: str, following: float) -> None:
        """Draw a heading; starts a new page if `following` inches do not fit below it."""
        self.canvas.need(0.5 + following)
        self.canvas.skip(0.18)
        self.paragraph(title, 13, weight="bold")

    def paragraph(self, text: str, size: float = 9.5, weight: str = "normal", color: str = INK) -> None:
        line_height = size / 72 * _LINE_HEIGHT
        for line in wrap_text(text, _INNER_WIDTH, size, weight):
            self.canvas.need(line_height)
            self._text(_MARGIN, line, size, weight, color)
            self.canvas.skip(line_height)
        self.canvas.skip(0.05)

    def cards(self, cards: Sequence[Card]) -> None:
        width = _INNER_WIDTH / _CARDS_PER_ROW
        for first in range(0, len(cards), _CARDS_PER_ROW):
            self.canvas.need(_CARD_HEIGHT)
            for position, card in enumerate(cards[first : first + _CARDS_PER_ROW]):
                left = _MARGIN + position * width
                comparison_color = (
                    GREY if card.is_improvement is None else BETTER if card.is_improvement else WORSE
                )
                self._text(left, card.title, 8.5, "normal", GREY)
                self._text(left, card.value, 14, "bold", INK, down=0.16)
                self._text(left, card.comparison, 8, "normal", comparison_color, down=0.42)
            self.canvas.skip(_CARD_HEIGHT)

    def chart(self, chart: Chart) -> None:
        self.canvas.need(chart.height)
        axes = self.canvas.figure.add_axes((0, 0, 1, 1))
        chart.draw(axes)
        # The labels around the axes must fit into the box too: measure them, then shrink the axes.
        left, bottom, width, height = self.canvas.box(_MARGIN, _INNER_WIDTH, chart.height)
        axes.set_position((left, bottom, width, height))
        pixels = axes.get_tightbbox(self.canvas.renderer)
        if pixels is not None:
            outer = pixels.transformed(self.canvas.figure.transFigure.inverted())
            left_labels, bottom_labels = left - outer.x0, bottom - outer.y0
            right_labels, top_labels = max(outer.x1 - left - width, 0), max(outer.y1 - bottom - height, 0)
            axes.set_position(
                (
                    left + left_labels,
                    bottom + bottom_labels,
                    width - left_labels - right_labels,
                    height - bottom_labels - top_labels,
                )
            )
        self.canvas.skip(chart.height + 0.15)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        size = 8.5
        widths = _column_widths(columns, rows, size)
        header = [column.heading for column in columns]
        for number, row in enumerate(rows):
            if self.canvas.need(0.5) or number == 0:
                self._row(columns, header, widths, size, "bold", GREY)
            self._row(columns, row, widths, size, "normal", INK)
        self.canvas.skip(0.08)

    def _row(
        self,
        columns: Sequence[Column],
        row: Sequence[str],
        widths: Sequence[float],
        size: float,
        weight: str,
        color: str,
    ) -> None:
        line_height = size / 72 * _LINE_HEIGHT
        cells = [wrap_text(text, width, size, weight) for text, width in zip(row, widths, strict=True)]
        height = max(map(len, cells)) * line_height + 0.07
        self.canvas.need(height)
        left = _MARGIN
        for column, lines, width in zip(columns, cells, widths, strict=True):
            x, align = (left + width, "right") if column.numeric else (left, "left")
            for number, line in enumerate(lines):
                self._text(x, line, size, weight, color, down=number * line_height, ha=align)
            left += width + _COLUMN_GAP
        self.canvas.skip(height)
        self.canvas.rule(_MARGIN, WIDTH - _MARGIN, -0.03, "#D1D5DB", 0.5)

    def _footer(self, canvas: PdfCanvas, page_number: int) -> None:
        down = HEIGHT - _MARGIN / 2 - canvas.y
        style = {"fontsize": 7.5, "color": GREY, "va": "top"}
        canvas.text(_MARGIN, self._title, down, **style)
        canvas.text(WIDTH - _MARGIN, str(page_number), down, ha="right", **style)

    def _text(
        self,
        x: float,
        text: str,
        size: float,
        weight: str,
        color: str,
        down: float = 0.0,
        **style: Any,
    ) -> None:
        self.canvas.text(x, text, down, fontsize=size, fontweight=weight, color=color, va="top", **style)


def _column_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], size: float) -> list[float]:
    """Return column widths: long texts share what numbers and short texts leave, in proportion."""
    available = _INNER_WIDTH - _COLUMN_GAP * (len(columns) - 1)
    lines = [[column.heading for column in columns], *rows]
    natural = [max(text_width(text, size, "bold") for text in texts) for texts in zip(*lines, strict=True)]
    is_long = [
        width > _LONG_TEXT and not column.numeric for width, column in zip(natural, columns, strict=True)
    ]
    if not any(is_long):
        return [natural[0] + available - sum(natural), *natural[1:]]
    scale = (available - sum(compress(natural, map(not_, is_long)))) / sum(compress(natural, is_long))
    return [width * scale if long else width for width, long in zip(natural, is_long, strict=True)]
