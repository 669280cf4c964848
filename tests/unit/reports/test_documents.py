"""A report as mail, PDF and CSV, with hostile names."""

import csv
import io
import re
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from PIL import Image

from factories import kpi_sample
from factories.kpi_sample import DAY, midnight
from shopnow.reports import mail, numbers, pdf, report
from shopnow.reports.csv_files import csv_files
from shopnow.reports.model import Column, Section

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "$x^2$ and $\\frac{",
    "two\nlines\r\nBcc: all@example.org",
    "x" * 300,
    "",
    "茶碗 🎁 קערה",
    "\x00\x1b[2J",
)
LINK = "http://127.0.0.1:8080/dags/management_report"


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> numbers.Figures:
    lake = str(tmp_path_factory.mktemp("lake"))
    kpi_sample.write(lake, kpi_sample.sample(currencies=("EUR", '"\n<\x1b[2'), products=HOSTILE))
    return numbers.read(lake, DAY, midnight(DAY) + timedelta(days=1, hours=6))


@pytest.fixture(scope="module")
def mail_received(figures) -> EmailMessage:
    """The mail as it is received."""
    message = mail.compose(report.compose(figures), figures, LINK, "report-key")
    return message_from_bytes(message.as_bytes(), policy=policy.default)


def test_the_subject_has_day_status_and_net_revenue(mail_received):
    assert mail_received["Subject"].startswith("[ShopNow+] Tue 2026-11-24: complete, ")
    assert '59,181.41 " < [2 net, 59,181.41 EUR net' in mail_received["Subject"]
    assert mail_received["Subject"].isprintable()


def test_the_html_shows_its_charts_and_escapes_every_name(mail_received):
    html = mail_received.get_body(("html",)).get_content()
    images = [part for part in mail_received.walk() if part.get_content_maintype() == "image"]
    assert {f"cid:{part['Content-ID'][1:-1]}" for part in images} == set(re.findall(r'src="([^"]*)"', html))
    for image in images:
        width, height = Image.open(io.BytesIO(image.get_content())).size
        assert width > height / 2 > 100
    assert all(re.findall(r'<img [^>]*alt="([^"]+)"', html))
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert 'title="payments succeeded − refunds, each by its own event date"' in html
    assert f'href="{LINK}"' in html


def test_the_text_has_the_same_figures(mail_received):
    text = mail_received.get_body(("plain",)).get_content()
    assert "Net revenue: 59,181.41 EUR   ▲ 7.0 % from 55,290.05" in text
    assert "two lines Bcc: all@example.org" in text
    assert "\x1b" not in text


def test_no_hostile_name_reaches_a_header(mail_received):
    assert mail_received["Bcc"] is None
    assert {part.get_filename() for part in mail_received.iter_attachments()} >= {
        "shopnow-2026-11-24.pdf",
        "2026-11-24-top-products.csv",
    }


def test_the_csv_files_have_all_rows_and_no_formula(figures):
    files = {name: make() for name, make in csv_files(figures)}
    assert set(files) == {
        f"2026-11-24-{kpi.name.removeprefix('kpi/').replace('_', '-')}.csv"
        for kpi in numbers.REPORTED
        if figures.rows_of(kpi)
    }
    for content in files.values():
        assert content.startswith(b"\xef\xbb\xbf")
        header = content.decode("utf-8-sig").splitlines()[0].split(",")
        assert len(header) == len(set(header))
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))
            assert not cell.startswith("-") or float(cell) < 0
    products = list(
        csv.DictReader(io.StringIO(files["2026-11-24-top-products.csv"].decode("utf-8-sig"), newline=""))
    )
    assert len(products) == 2 * len(HOSTILE)
    assert products[0]["gmv"] == "9000.00"
    assert "'-2+3" in {row["product_name"] for row in products}


def test_the_pdf_is_complete(mail_received):
    [document] = [
        part.get_content()
        for part in mail_received.iter_attachments()
        if part.get_content_type() == "application/pdf"
    ]
    assert document.startswith(b"%PDF-")
    assert document.rstrip().endswith(b"%%EOF")
    start = int(document.rsplit(b"startxref", 1)[1].split()[0])
    assert document[start:].startswith(b"xref")
    assert len(re.findall(rb"/Type /Page\b", document)) >= 4


def test_a_long_table_continues_on_the_next_page_with_its_header():
    column = Column("Name", "", False)
    long = Section(
        "Long", columns=[column, Column("Number", "", True)], rows=[[f"name {n}", str(n)] for n in range(120)]
    )
    document = pdf.document(report.Report(DAY, "Title", "Complete", True, [], [long]))
    assert len(re.findall(rb"/Type /Page\b", document)) == 3


def test_an_empty_report_can_be_sent(tmp_path):
    empty = numbers.read(str(tmp_path), DAY, midnight(DAY) + timedelta(days=2))
    message = mail.compose(report.compose(empty), empty, LINK, "key")
    assert message["Subject"] == "[ShopNow+] Tue 2026-11-24: no figures"
    assert [part.get_content_type() for part in message.iter_attachments()] == ["application/pdf"]
