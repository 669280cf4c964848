"""A report as mail, PDF and CSV, with names in it that somebody made up to do harm."""

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
from shopnow.reports.csv_files import sheets
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
def known(tmp_path_factory) -> numbers.Figures:
    lake = str(tmp_path_factory.mktemp("lake"))
    kpi_sample.write(lake, kpi_sample.sample(currencies=("EUR", "USD", '"\n<', "\x1b[2"), products=HOSTILE))
    return numbers.read(lake, DAY, midnight(DAY) + timedelta(days=1, hours=6))


@pytest.fixture(scope="module")
def sent(known) -> EmailMessage:
    """The mail as it arrives."""
    made = mail.compose(report.compose(known), known, LINK, "report-key")
    return message_from_bytes(made.as_bytes(), policy=policy.default)


def test_the_mail_says_in_its_subject_what_matters(sent):
    assert sent["Subject"].startswith("[ShopNow+] Tue 2026-11-24: complete, ")
    assert "59,181.41 EUR net, 59,181.41 USD net" in sent["Subject"]
    assert sent["Subject"].isprintable()


def test_the_html_shows_its_charts_and_escapes_every_name(sent):
    html = sent.get_body(("html",)).get_content()
    related = [part for part in sent.walk() if part.get_content_maintype() == "image"]
    assert {f"cid:{part['Content-ID'][1:-1]}" for part in related} == set(re.findall(r'src="([^"]*)"', html))
    for picture in related:
        width, height = Image.open(io.BytesIO(picture.get_content())).size
        assert width > height / 2 > 100
    assert all(re.findall(r'<img [^>]*alt="([^"]+)"', html))
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert 'title="payments succeeded − refunds, each when it happened"' in html
    assert f'href="{LINK}"' in html


def test_the_text_says_the_same(sent):
    text = sent.get_body(("plain",)).get_content()
    assert "Net revenue: 59,181.41 EUR   ▲ 7.0 % from 55,290.05" in text
    assert "two lines Bcc: all@example.org" in text
    assert "\x1b" not in text


def test_no_name_reaches_a_header(sent):
    assert sent["Bcc"] is None
    assert {part.get_filename() for part in sent.iter_attachments()} >= {
        "shopnow-2026-11-24.pdf",
        "2026-11-24-top-products.csv",
    }


def test_the_csv_files_hold_no_formula_and_all_rows(known):
    files = dict(sheets(known))
    assert set(files) == {
        f"2026-11-24-{kpi.name.removeprefix('kpi/').replace('_', '-')}.csv"
        for kpi in numbers.REPORTED
        if known.of(kpi)
    }
    for content in files.values():
        assert content.startswith(b"\xef\xbb\xbf")
        head = content.decode("utf-8-sig").splitlines()[0].split(",")
        assert len(head) == len(set(head))
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))
            assert not cell.startswith("-") or float(cell) < 0
    products = list(
        csv.DictReader(io.StringIO(files["2026-11-24-top-products.csv"].decode("utf-8-sig"), newline=""))
    )
    assert len(products) == 4 * len(HOSTILE)
    assert products[0]["gmv"] == "9000.00"
    assert "'-2+3" in {row["product_name"] for row in products}


def test_the_pdf_is_whole(sent):
    [document] = [
        part.get_content() for part in sent.iter_attachments() if part.get_content_type() == "application/pdf"
    ]
    assert document.startswith(b"%PDF-")
    assert document.rstrip().endswith(b"%%EOF")
    start = int(document.rsplit(b"startxref", 1)[1].split()[0])
    assert document[start:].startswith(b"xref")
    assert len(re.findall(rb"/Type /Page\b", document)) >= 4


def test_a_long_table_goes_on_on_the_next_page_below_its_heading():
    column = Column("Name", "", False)
    long = Section(
        "Long", columns=[column, Column("Number", "", True)], rows=[[f"name {n}", str(n)] for n in range(120)]
    )
    document = pdf.document(report.Report(DAY, "Title", "Complete", True, [], [long]))
    assert len(re.findall(rb"/Type /Page\b", document)) == 3


def test_an_empty_report_can_be_sent(tmp_path):
    none = numbers.read(str(tmp_path), DAY, midnight(DAY) + timedelta(days=2))
    made = mail.compose(report.compose(none), none, LINK, "key")
    assert made["Subject"] == "[ShopNow+] Tue 2026-11-24: no figures"
    assert [part.get_content_type() for part in made.iter_attachments()] == ["application/pdf"]
