"""The management report of a day, triggered through Airflow's API, as the local mail server receives it."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from PIL import Image

from shopnow.kpis import SALES_DAILY
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api


@pytest.fixture
def reports(settings):
    """Return the reports that a recipient has received."""

    def received_by(recipient: str) -> list[EmailMessage]:
        files = sorted((settings.data_dir / "smtp").glob("*.eml"))
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [mail for mail in mails if mail["X-ShopNow-Report"] and mail["To"] == recipient]

    return received_by


def test_the_report_of_a_day_arrives_with_charts_csv_and_pdf(api, ends, settings, reports):
    sales = tables.read(Table(settings.lake_uri, SALES_DAILY.name).open()).to_pylist()
    row = max(sales, key=lambda row: (row["orders"], row["date"]))
    day, to = str(row["date"]), "board@example.org"
    run_id = airflow_api.trigger(api, "management_report", {"date": day, "recipients": to})
    assert ends("management_report", run_id) == "success"

    [mail] = reports(to)
    revenue = f"{row['net_revenue_cents'] / 100:,.2f} {row['currency']}"
    assert day in mail["Subject"]
    assert revenue in mail["Subject"]
    html = mail.get_body(("html",)).get_content()
    assert revenue in html
    referenced = set(re.findall(r'src="cid:([^"]+)"', html))
    pictures = {
        part["Content-ID"][1:-1]: part.get_content()
        for part in mail.walk()
        if part.get_content_type() == "image/png"
    }
    assert referenced == set(pictures)
    assert f"hours-{row['currency']}" in referenced
    for picture in pictures.values():
        Image.open(io.BytesIO(picture)).verify()

    attached = {part.get_filename(): part for part in mail.iter_attachments()}
    document = attached[f"shopnow-{day}.pdf"].get_content()
    assert document.startswith(b"%PDF-")
    assert document.rstrip().endswith(b"%%EOF")
    sheet = attached[f"{day}-sales-daily.csv"].get_payload(decode=True).decode("utf-8-sig")
    [line] = [
        line for line in csv.DictReader(io.StringIO(sheet, newline="")) if line["currency"] == row["currency"]
    ]
    assert (line["orders"], line["net_revenue"]) == (
        str(row["orders"]),
        f"{row['net_revenue_cents'] / 100:.2f}",
    )


def test_clearing_the_run_sends_nothing_twice(api, ends, reports):
    to = "once@example.org"
    run_id = airflow_api.trigger(
        api, "management_report", {"date": str(datetime.now(UTC).date()), "recipients": to}
    )
    assert ends("management_report", run_id) == "success"
    api.post(f"/dags/management_report/dagRuns/{run_id}/clear", json={"dry_run": False}).raise_for_status()
    assert ends("management_report", run_id) == "success"
    assert len(reports(to)) == 1


def test_a_day_without_figures_is_reported_as_one(api, ends, reports):
    to = "nobody@example.org"
    day = str((datetime.now(UTC) - timedelta(days=5000)).date())
    run_id = airflow_api.trigger(api, "management_report", {"date": day, "recipients": to})
    assert ends("management_report", run_id) == "success"
    [mail] = reports(to)
    assert "no figures" in mail["Subject"]
