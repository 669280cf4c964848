"""A report as a mail: HTML with its charts in it, the same as text, and attached as PDF and CSV."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime

from shopnow.reports import charts, html, pdf
from shopnow.reports.csv_files import sheets
from shopnow.reports.model import Report
from shopnow.reports.numbers import Figures
from shopnow.text_format import one_line

# Folded, a subject would begin with a blank.
_POLICY = SMTP.clone(max_line_length=998)


def compose(report: Report, figures: Figures, link: str, key: str) -> EmailMessage:
    """The mail but for whom it is from and to.

    Args:
        link: address of where it comes from, for those who want to know more.
        key: the same however often this report is sent, so that mail programs can tell; part of the Message-ID.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = subject(report)
    mail["Date"] = localtime()
    mail["X-ShopNow-Report"] = key
    mail.set_content(html.text(report, link))
    mail.make_alternative()
    mail.attach(_page(report, link))
    mail.add_attachment(pdf.document(report), "application", "pdf", filename=f"shopnow-{report.day}.pdf")
    for name, sheet in sheets(figures):
        mail.add_attachment(sheet, "text", "csv", filename=name, params={"charset": "utf-8"})
    return mail


def _page(report: Report, link: str) -> EmailMessage:
    """The HTML with the pictures it shows."""
    page = EmailMessage(policy=_POLICY)
    page.set_content(html.document(report, link), subtype="html")
    for chart in report.charts:
        picture = charts.png(chart)
        page.add_related(
            picture, "image", "png", cid=f"<{chart.name}>", filename=f"{chart.name}.png", disposition="inline"
        )
    return page


def subject(report: Report) -> str:
    """One line: the day, how far its figures can be trusted, and its net revenue."""
    revenue = [
        f"{card.value} net"
        for section in report.sections
        for card in section.cards
        if card.title == "Net revenue"
    ]
    return one_line(
        f"[ShopNow+] {report.day:%a} {report.day}: {', '.join([report.status.lower(), *revenue])}"
    )
