"""A report as a mail: HTML with inline charts, a text alternative, and PDF and CSV attachments."""

import logging
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from functools import partial

from shopnow.reports import charts, html, pdf
from shopnow.reports.csv_files import csv_files
from shopnow.reports.model import Report
from shopnow.reports.numbers import Figures, describe_failure
from shopnow.text_format import one_line

_log = logging.getLogger(__name__)
# A folded subject would begin with a blank.
_POLICY = SMTP.clone(max_line_length=998)


def compose(report: Report, figures: Figures, link: str, key: str) -> EmailMessage:
    """Compose the mail without addresses; a part that cannot be made is left out, and the report says so.

    Args:
        link: address of the DAG in the Airflow UI.
        key: identity of the report, the same on every attempt to send it, so that mail programs detect
            repeats.
    """
    failures: list[str] = []
    images: dict[str, bytes] = {}
    for chart in report.charts:
        if image := _attempt(f"chart {chart.name}", partial(charts.png, chart), failures):
            images[chart.name] = image
    report = report._replace(
        sections=[
            section._replace(charts=[chart for chart in section.charts if chart.name in images])
            for section in report.sections
        ]
    )
    files = [
        (name, content)
        for name, make in csv_files(figures)
        if (content := _attempt(name, make, failures)) is not None
    ]
    report = _with_notices(report, failures)
    pdf_failures: list[str] = []
    pdf_document = _attempt("the PDF", partial(pdf.document, report), pdf_failures)
    report = _with_notices(report, pdf_failures)

    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = subject(report)
    mail["Date"] = localtime()
    mail["X-ShopNow-Report"] = key
    mail.set_content(html.text(report, link))
    mail.make_alternative()
    mail.attach(_html_part(report, link, images))
    if pdf_document is not None:
        mail.add_attachment(pdf_document, "application", "pdf", filename=f"shopnow-{report.day}.pdf")
    for name, content in files:
        mail.add_attachment(content, "text", "csv", filename=name, params={"charset": "utf-8"})
    return mail


def _attempt(name: str, make: Callable[[], bytes], failures: list[str]) -> bytes | None:
    try:
        return make()
    except Exception as error:
        _log.exception("%s cannot be made", name)
        failures.append(f"Missing from this mail: {name} ({describe_failure(error)}).")
        return None


def _with_notices(report: Report, failures: list[str]) -> Report:
    if not failures:
        return report
    return report._replace(notices=[*report.notices, *failures], is_sound=False)


def _html_part(report: Report, link: str, images: Mapping[str, bytes]) -> EmailMessage:
    """Return the HTML with its inline images, by chart name."""
    part = EmailMessage(policy=_POLICY)
    part.set_content(html.document(report, link), subtype="html")
    for chart in report.charts:
        part.add_related(
            images[chart.name],
            "image",
            "png",
            cid=f"<{chart.name}>",
            filename=f"{chart.name}.png",
            disposition="inline",
        )
    return part


def subject(report: Report) -> str:
    """Return one line: the day, the status of its figures, and its net revenue."""
    revenue = [
        f"{card.value} net"
        for section in report.sections
        for card in section.cards
        if card.title == "Net revenue"
    ]
    return one_line(
        f"[ShopNow+] {report.day:%a} {report.day}: {', '.join([report.status.lower(), *revenue])}"
    )
