"""The report of a day, from tables on a real HDFS to a mail on a real server, by Airflow's connections."""

import io
import json
import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from PIL import Image

from factories import kpi_sample
from factories.kpi_sample import DAY, midnight
from shopnow import kpis
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import landing
from shopnow.lake.lineage import restatements
from shopnow.lake.lineage.freshness import lagging_topics
from shopnow.lake.lineage.restatements import RESTATEMENTS, Restatement
from shopnow.notifications.mail import Mailer
from shopnow.reports import numbers
from shopnow.reports.build import build_mail
from shopnow.submission.service import submit
from shopnow_spark.refresh_events import refresh_events
from support.local_servers import Inbox

LINK = "http://airflow.example/dags/management_report"


def restate(lake: str, change: Restatement) -> None:
    """Commit to a KPI table that it restates a figure."""
    table = Table(lake, change.kpi).open()
    no_rows = pa.schema(table.schema().to_arrow()).empty_table()
    properties = CommitProperties(custom_metadata={RESTATEMENTS.key: restatements.dumps([change])})
    write_deltalake(table, no_rows, mode="append", commit_properties=properties)


def test_the_whole_report_is_received(conf, lake, inbox: Inbox):
    kpi_sample.write(lake, kpi_sample.sample(currencies=("EUR", "USD")))
    restate(
        lake,
        Restatement(
            "kpi/sales_daily",
            DAY,
            "EUR",
            "net_revenue_cents",
            5_900_000,
            5_918_141,
            3,
            "late events: 3 in payments",
        ),
    )
    Mailer().post(
        build_mail(conf, lake, DAY, LINK, "report-1"),
        "report-1",
        recipients="board@example.org, ceo@example.org",
    )

    [mail] = inbox.mails()
    assert (mail["From"], mail["To"]) == ("shopnow@localhost", "board@example.org, ceo@example.org")
    assert mail["X-RcptTo"] == "board@example.org, ceo@example.org"
    assert mail["Message-ID"] == "<report-1@localhost>"
    html = mail.get_body(("html",)).get_content()
    for text in (
        "Sales in EUR",
        "Sales in USD",
        "59,181.41 USD",
        "Conversion funnel",
        "late events: 3 in payments",
        "59,000.00",
    ):
        assert text in html
    names = {part.get_filename() for part in mail.iter_attachments()}
    assert names >= {
        f"shopnow-{DAY}.pdf",
        f"{DAY}-sales-daily.csv",
        f"{DAY}-top-products.csv",
        f"{DAY}-restatements.csv",
    }
    images = [part.get_content() for part in mail.walk() if part.get_content_type() == "image/png"]
    assert len(images) == 9
    assert all(Image.open(io.BytesIO(image)).size[0] == 1040 for image in images)


def test_only_the_requested_day_is_reported(lake):
    kpi_sample.write(lake, kpi_sample.sample())
    kpi_sample.write(lake, kpi_sample.sample(DAY - timedelta(days=1)))
    figures = numbers.read(lake, DAY, midnight(DAY) + timedelta(days=2))
    assert {
        row["date"]
        for kpi in (kpis.SALES_DAILY, kpis.TOP_PRODUCTS, kpis.FUNNEL)
        for row in figures.rows_of(kpi)
    } == {DAY}
    assert len(figures.rows_of(kpis.SALES_HOURLY)) == len(figures.previous[kpis.SALES_HOURLY.name]) == 24


def test_an_empty_lake_is_reported_without_figures(conf, lake, inbox: Inbox):
    Mailer().post(build_mail(conf, lake, DAY, LINK, "report-2"), "report-2")
    [mail] = inbox.mails()
    assert mail["To"] == "operations@localhost"
    assert "no figures" in mail["Subject"]
    assert "There are no figures for this day" in mail.get_body(("plain",)).get_content()


def test_an_unreachable_kafka_is_mentioned_and_does_not_stop_the_report(lake, nowhere):
    kpi_sample.write(lake, kpi_sample.sample())
    mail = build_mail(nowhere, lake, DAY, LINK, "report-4")
    assert "Kafka did not answer" in mail.get_body(("plain",)).get_content()


def test_topics_with_unprocessed_records_are_lagging(conf, lake, refresh):
    now = datetime.now(UTC)
    kpi_sample.write(lake, {})
    cancelled = {"event_type": "order_cancelled", "order_id": "o", "reason": "changed my mind"}
    submit(conf, str(uuid.uuid4()), json.dumps([cancelled]).encode(), now)
    assert "orders" in lagging_topics(conf, lake, now + timedelta(days=1))
    assert "orders" not in lagging_topics(conf, lake, now - timedelta(days=30))
    for topic in TOPICS.values():
        landing.land(conf, lake, topic)
    assert "orders" in lagging_topics(conf, lake, now + timedelta(days=1))
    for topic in TOPICS.values():
        refresh_events(lake, topic, lambda: refresh)
    assert lagging_topics(conf, lake, now + timedelta(days=1)) == []


def test_lag_behind_an_unreachable_kafka_is_an_error(lake, nowhere):
    with pytest.raises(UserError):
        lagging_topics(nowhere, lake, datetime.now(UTC))
