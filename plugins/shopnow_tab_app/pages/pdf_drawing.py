"""Drawing of a sheet as PDF.

`python -m shopnow_tab_app.pages.pdf_drawing` reads the sheet as JSON and writes the PDF.
"""

import sys
import textwrap
from itertools import cycle
from typing import IO, Any

import msgspec
from matplotlib.backends.backend_pdf import PdfPages

from shopnow.pdf_canvas import HEIGHT, WIDTH, PdfCanvas

# Lengths are inches, from fractions of the page.
TOP, BOTTOM = 0.06 * HEIGHT, 0.05 * HEIGHT
LEFT, RIGHT = 0.08 * WIDTH, 0.92 * WIDTH
ROW_HEIGHT = 0.0165 * HEIGHT
FOOTER = 0.98 * HEIGHT
CARDS_PER_ROW = 4
MAX_CELL_LENGTH = 44
GREY, LINE = "#667085", "#d0d5dd"
BLUE, GREEN, OCHRE, RED = "#3b5b89", "#15803d", "#a16207", "#b91c1c"
CODE_COLORS = {
    "succeeded": GREEN,
    "payments_succeeded": GREEN,
    "delivered": GREEN,
    "failed": RED,
    "payments_failed": RED,
    "pending": OCHRE,
    "refunded": BLUE,
    "in_transit": BLUE,
}
"""Colors of series and labels with a fixed meaning, as on the pages (`ui/src/chart-panel.tsx`)."""
OTHER_COLORS = (BLUE, OCHRE, GREEN, RED)


def draw(sheet: dict[str, Any], out: IO[bytes]) -> None:
    """Write the sheet as PDF."""
    with PdfPages(out, metadata={"Title": sheet["title"], "Creator": "ShopNow+"}) as pdf:

        def footer(canvas: PdfCanvas, page_number: int) -> None:
            text = f"{sheet['title']} · {page_number}"
            canvas.text(LEFT, text, FOOTER - canvas.y, size=7, color=GREY)

        canvas = PdfCanvas(pdf, TOP, BOTTOM, footer)
        canvas.text(LEFT, sheet["title"], size=16, weight="bold")
        canvas.skip(0.025 * HEIGHT)
        canvas.text(LEFT, sheet["subtitle"], size=9, color=GREY)
        canvas.skip(0.04 * HEIGHT)
        _cards(canvas, sheet["cards"])
        for chart in sheet["charts"]:
            _chart(canvas, chart)
        for table in sheet["tables"]:
            _table(canvas, table)
        canvas.finish_page()


def _heading(canvas: PdfCanvas, text: str) -> None:
    canvas.text(LEFT, text, size=11, weight="bold")
    canvas.skip(0.022 * HEIGHT)


def _cards(canvas: PdfCanvas, cards: list[list[str]]) -> None:
    for start in range(0, len(cards), CARDS_PER_ROW):
        for column, (name, value) in enumerate(cards[start : start + CARDS_PER_ROW]):
            x = LEFT + column * (RIGHT - LEFT) / CARDS_PER_ROW
            canvas.text(x, name, size=8, color=GREY)
            canvas.text(x, value, 0.022 * HEIGHT, size=14, weight="bold")
        canvas.skip(0.06 * HEIGHT)


def _chart(canvas: PdfCanvas, chart: dict[str, Any]) -> None:
    canvas.need(0.24 * HEIGHT)
    _heading(canvas, chart["title"])
    indent = 0.03 * WIDTH
    axes = canvas.axes(LEFT + indent, RIGHT - LEFT - indent, 0.15 * HEIGHT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    positions = range(len(chart["labels"]))
    bottoms = [0.0] * len(positions)
    label_colors = [CODE_COLORS.get(code) for code in chart["label_codes"]]
    for other_color, series in zip(cycle(OTHER_COLORS), chart["series"], strict=False):
        color = CODE_COLORS.get(series["code"], other_color)
        heights = [value or 0 for value in series["values"]]
        if chart["kind"] == "line":
            is_before = series["code"].endswith("_before")
            [line] = axes.plot(positions, heights, color=color, label=series["name"], linewidth=1.4)
            if is_before:
                line.set(color=GREY, linestyle="--")
        else:
            colors = [label_color or color for label_color in label_colors]
            axes.bar(positions, heights, bottom=bottoms, color=colors, label=series["name"], width=0.6)
            bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    step = max(len(positions) // 8, 1)
    axes.set_xticks(list(positions)[::step], chart["labels"][::step])
    axes.set_ylim(bottom=0)
    if len(chart["series"]) > 1:
        axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0, 1.16))
    canvas.skip(0.21 * HEIGHT)


def _table(canvas: PdfCanvas, table: dict[str, Any]) -> None:
    canvas.need(ROW_HEIGHT * 5)
    _heading(canvas, table["title"])
    rows = (table["columns"], *table["rows"])
    lengths = [
        max(min(len(row[column]), MAX_CELL_LENGTH) for row in rows) + 2
        for column in range(len(table["columns"]))
    ]
    character_width = (RIGHT - LEFT) / sum(lengths)
    for number, row in enumerate(rows):
        canvas.need(ROW_HEIGHT)
        x = LEFT
        for text, length in zip(row, lengths, strict=True):
            shortened = textwrap.shorten(text, length, placeholder="…") or text[: length - 1]
            canvas.text(x, shortened, size=7.5, weight="normal" if number else "bold")
            x += length * character_width
        canvas.skip(ROW_HEIGHT)
        canvas.rule(LEFT, RIGHT, -0.011 * HEIGHT, LINE, 0.6)
    if table["note"]:
        canvas.need(ROW_HEIGHT)
        canvas.text(LEFT, table["note"], size=7.5, color=GREY)
        canvas.skip(ROW_HEIGHT)
    canvas.skip(0.02 * HEIGHT)


if __name__ == "__main__":
    draw(msgspec.json.decode(sys.stdin.buffer.read()), sys.stdout.buffer)
