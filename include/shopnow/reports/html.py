"""A report as an HTML document for mail programs, and as plain text.

Mail programs need inline styles; only those for small screens are in the head. All text is escaped here.
"""

from collections.abc import Sequence
from html import escape

from shopnow.reports.charts import Chart
from shopnow.reports.model import Card, Column, Report, Section
from shopnow.text_format import printable

BETTER, WORSE, INK, MUTED, LINE = "#005A8C", "#A33B00", "#1f2937", "#4b5563", "#d1d5db"

_FONT = "16px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif"
_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light"><title>{title}</title>
<style>@media (max-width:520px) {{
.card {{ width:49% !important; }} .page {{ padding:12px !important; }} .data {{ font-size:13px !important; }}
}}</style></head>
<body style="margin:0;background:#ffffff;color:{ink};font:{font}">
<div class="page" style="max-width:680px;margin:0 auto;padding:24px">
<h1 style="font-size:24px;line-height:1.2;margin:0 0 8px">{title}</h1>
"""


def document(report: Report, link: str) -> str:
    """Return the HTML, which refers to the image of a chart as `cid:{name}`.

    Args:
        link: address of the DAG in the Airflow UI.
    """
    return "".join(
        [
            _HEAD.format(title=escape(report.title), ink=INK, font=_FONT),
            _status(report),
            *map(_section, report.sections),
            _definitions(report),
            f'<p style="color:{MUTED};font-size:13px;margin:24px 0 0">Days and hours are UTC. '
            "Every table is attached as CSV, and the report as PDF. "
            f'<a href="{escape(link)}" style="color:{BETTER}">Open the DAG in Airflow</a></p>'
            "</div></body></html>",
        ]
    )


def text(report: Report, link: str) -> str:
    """Return the report as plain text."""
    parts = [report.title, report.status, *report.notices]
    for section in report.sections:
        parts += [f"{section.title}\n{'-' * len(section.title)}", *section.paragraphs]
        parts += [
            "\n".join(
                f"{card.title}: {card.value}{f'   {card.comparison}' if card.comparison else ''}"
                for card in section.cards
            )
        ]
        parts += [_text_table(section.columns, section.rows), section.note]
    lines = "\n\n".join(filter(None, [*parts, f"Days and hours are UTC. {link}"])).split("\n")
    return "".join(f"{printable(line)}\n" for line in lines)


def _status(report: Report) -> str:
    color, mark = (BETTER, "✓") if report.is_sound else (WORSE, "!")
    badge = (
        '<p style="margin:0 0 8px"><strong style="display:inline-block;'
        f"background:{color};color:#ffffff;border-radius:4px;"
        f'padding:2px 10px">{mark} {escape(report.status)}</strong></p>'
    )
    return badge + "".join(_paragraph(notice) for notice in report.notices)


def _section(section: Section) -> str:
    return "".join(
        [
            _heading(section.title),
            *map(_paragraph, section.paragraphs),
            *map(_card, section.cards),
            *map(_image, section.charts),
            _table(section.columns, section.rows),
            _paragraph(section.note) if section.note else "",
        ]
    )


def _heading(title: str) -> str:
    style = f"font-size:19px;line-height:1.3;margin:28px 0 8px;border-top:1px solid {LINE};padding-top:16px"
    return f'<h2 style="{style}">{escape(title)}</h2>'


def _image(chart: Chart) -> str:
    style = "display:block;width:100%;height:auto;margin:8px 0"
    return f'<img src="cid:{escape(chart.name)}" alt="{escape(chart.alt)}" width="632" style="{style}">'


def _card(card: Card) -> str:
    color = MUTED if card.is_improvement is None else BETTER if card.is_improvement else WORSE
    return (
        f'<div class="card" title="{escape(card.definition)}" style="display:inline-block;vertical-align:top;'
        f'box-sizing:border-box;width:33%;padding:6px 8px 10px 0">'
        f'<div style="color:{MUTED};font-size:14px">{escape(card.title)}</div>'
        f'<div style="font-size:20px;font-weight:600;line-height:1.25">{escape(card.value)}</div>'
        f'<div style="color:{color};font-size:13px">{escape(card.comparison)}</div></div>'
    )


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    if not columns:
        return ""
    style = f"white-space:normal;color:{MUTED};font-weight:600;vertical-align:bottom"
    style += f";border-bottom:1px solid {MUTED}"
    head = "".join(
        f'<th scope="col" title="{escape(column.definition)}" style="{_cell(column)};{style}">'
        f"{escape(column.heading)}</th>"
        for column in columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_cell(column)}">{escape(value)}</td>'
            for column, value in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        '<table class="data" style="border-collapse:collapse;width:100%;font-size:14px;margin:8px 0">'
        f"<thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _cell(column: Column) -> str:
    align = (
        "text-align:right;white-space:nowrap"
        if column.numeric
        else "text-align:left;overflow-wrap:anywhere;min-width:5.5em"
    )
    return f"padding:5px 8px 5px 0;vertical-align:top;border-bottom:1px solid {LINE};{align}"


def _definitions(report: Report) -> str:
    parts = []
    for table, definitions in report.definitions.items():
        if definitions:
            lines = [f"{escape(name)}: {escape(definition)}" for name, definition in definitions.items()]
            parts.append(f"<p><strong>{escape(table)}</strong><br>{'<br>'.join(lines)}</p>")
    if not parts:
        return ""
    return f'{_heading("How the figures are defined")}<div style="font-size:13px">{"".join(parts)}</div>'


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 8px">{escape(text)}</p>'


def _text_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    if not columns:
        return ""
    table = [[column.heading for column in columns], *rows]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    lines = (
        "  ".join(
            value.rjust(width) if column.numeric else value.ljust(width)
            for column, width, value in zip(columns, widths, row, strict=True)
        ).rstrip()
        for row in table
    )
    return "\n".join(lines)
