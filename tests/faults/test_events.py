"""Late and malformed events: each is counted once on its own date, and restatements record what changed."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from factories.events import payment_record
from faults import oracle
from faults.pipeline import run_spark
from faults.scoreboard import Fault, Scoreboard
from faults.services import Services
from faults.source import PAYMENTS, Source
from shopnow.lake.delta import commit_metadata
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import quarantine
from shopnow.lake.ingest import landing
from shopnow.lake.lineage.restatements import RESTATEMENTS
from support import isolated_process

LATE = [
    timedelta(),
    timedelta(minutes=5),
    timedelta(hours=3),
    timedelta(days=3),
    timedelta(days=40),
    -timedelta(days=1),
]
SALES = "kpi/sales_daily"

pytestmark = pytest.mark.full_suite(reason="the services tests cover it otherwise")


def events(lake: str) -> Counter[tuple]:
    """Return the number of events by id and date."""
    rows = oracle.read(lake, "events/payments", ["event_id", "event_date"])
    assert rows is not None
    return Counter(zip(rows["event_id"].to_pylist(), rows["event_date"].to_pylist(), strict=True))


def event_id(value: bytes) -> str:
    return PAYMENTS.decoder().decode(value).event_id


def test_late_events(services: Services, source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    # At noon, so that five minutes do not change the date.
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    times = [noon - rng.choice(LATE) for _ in range(100)]
    sent = [payment_record(number, at) for number, at in enumerate(times)]
    for part in (sent[:50], sent[50:]):
        source.send_values(part)
        source.land()
        assert run_spark(services, source.lake).returncode == 0
    expected = Counter((event_id(value), at.date()) for value, at in zip(sent, times, strict=True))
    scoreboard.judge(Fault.LATE, oracle.score(expected, events(source.lake)) + source.score())

    on_time = services.new_lake()
    isolated_process.call(landing.land, source.conf, on_time, PAYMENTS, kafka_topic=source.name)
    assert run_spark(services, on_time).returncode == 0
    assert oracle.content(source.lake, SALES) == oracle.content(on_time, SALES)
    figures = {row["date"]: row["net_revenue_cents"] for row in oracle.content(on_time, SALES) or ()}
    restated = [
        row
        for row in commit_metadata.read(Table(source.lake, SALES), RESTATEMENTS).to_pylist()
        if row["figure"] == "net_revenue_cents"
    ]
    # Only days that had ended when they were first published can be restated.
    assert {row["kpi_date"] for row in restated} == {
        at.date() for at in times[50:] if at.date() < datetime.now(UTC).date()
    }
    assert all(row["after"] == figures[row["kpi_date"]] and row["late_events"] > 0 for row in restated)


def test_schema_versions(services: Services, source: Source, rng: Random, scoreboard: Scoreboard) -> None:
    good = [payment_record(number, version=1 + number % 2) for number in range(60)]
    bad = [payment_record(number, version=3) for number in range(100, 110)]
    bad += [payment_record(number).replace(b'"amount_cents":', b'"cents":') for number in range(110, 120)]
    values = [*good, *bad]
    rng.shuffle(values)
    source.send_values(values)
    assert source.land().commits == 1
    assert run_spark(services, source.lake).returncode == 0
    assert Counter(record.value for record in quarantine.records(source.lake)) == Counter(bad)
    actual = Counter((id_,) for id_, _ in events(source.lake).elements())
    scoreboard.judge(
        Fault.SCHEMA, oracle.score(Counter((event_id(value),) for value in good), actual) + source.score()
    )
