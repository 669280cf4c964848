"""The management report of a day, triggered through Airflow's API, as the local mail server receives it."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from PIL import Image

from shopnow.kpis import SALES_DAILY
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api


@pytest.fixture
def reports(mails):
    """Return the reports that a recipient at example.org has received."""

    def received_by(name: str) -> list[EmailMessage]:
        return [
            mail for mail in mails(name) if mail["X-ShopNow-Report"] and mail["To"] == f"{name}@example.org"
        ]

    return received_by


@pytest.fixture(scope="module")
def best_day(settings) -> dict[str, Any]:
    """The row of `kpi/sales_daily` with the most orders."""
    sales = tables.read(Table(settings.lake_uri, SALES_DAILY.name).open()).to_pylist()
    return max(sales, key=lambda row: (row["orders"], row["date"]))


@pytest.fixture(scope="module")
def sent(api, ends, best_day) -> dict[str, str]:
    """Run ids of the reports that were sent, by recipient; they wait for one another, but start at once."""
    now = datetime.now(UTC)
    days = {"board": best_day["date"], "once": now.date(), "nobody": (now - timedelta(days=5000)).date()}
    runs = {
        name: airflow_api.trigger(
            api, "management_report", {"date": str(day), "recipients": f"{name}@example.org"}
        )
        for name, day in days.items()
    }
    for run_id in runs.values():
        assert ends("management_report", run_id) == "success"
    return runs


def test_the_report_of_a_day_arrives_with_charts_csv_and_pdf(sent, reports, best_day):
    row, day = best_day, str(best_day["date"])
    [mail] = reports("board")
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


def test_clearing_the_task_that_sends_sends_nothing_twice(sent, api, ends, reports):
    clearing = {"dry_run": False, "dag_run_id": sent["once"], "task_ids": ["send"], "only_failed": False}
    api.post("/dags/management_report/clearTaskInstances", json=clearing).raise_for_status()
    assert ends("management_report", sent["once"]) == "success"
    assert len(reports("once")) == 1


def test_a_day_without_figures_is_reported_as_one(sent, reports):
    [mail] = reports("nobody")
    assert "no figures" in mail["Subject"]
