"""A report as a mail: HTML with inline charts, a text alternative, and PDF and CSV attachments."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime

from shopnow.reports import charts, html, pdf
from shopnow.reports.csv_files import csv_files
from shopnow.reports.model import Report
from shopnow.reports.numbers import Figures
from shopnow.text_format import one_line

# A folded subject would begin with a blank.
_POLICY = SMTP.clone(max_line_length=998)


def compose(report: Report, figures: Figures, link: str, key: str) -> EmailMessage:
    """Compose the mail without addresses.

    Args:
        link: address of the DAG in the Airflow UI.
        key: identity of the report, the same on every attempt to send it, so that mail programs detect
            repeats.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = subject(report)
    mail["Date"] = localtime()
    mail["X-ShopNow-Report"] = key
    mail.set_content(html.text(report, link))
    mail.make_alternative()
    mail.attach(_html_part(report, link))
    mail.add_attachment(pdf.document(report), "application", "pdf", filename=f"shopnow-{report.day}.pdf")
    for name, content in csv_files(figures):
        mail.add_attachment(content, "text", "csv", filename=name, params={"charset": "utf-8"})
    return mail


def _html_part(report: Report, link: str) -> EmailMessage:
    """Return the HTML with its inline images."""
    part = EmailMessage(policy=_POLICY)
    part.set_content(html.document(report, link), subtype="html")
    for chart in report.charts:
        image = charts.png(chart)
        part.add_related(
            image, "image", "png", cid=f"<{chart.name}>", filename=f"{chart.name}.png", disposition="inline"
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
