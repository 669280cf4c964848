"""The alert on many invalid records: everything lands, and the alert names who sent what."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from factories import raw_tables
from factories.events import sale
from shopnow import events
from shopnow.alerts import alert_log, invalid_records, message
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.invalid_records import MIN_INVALID, mask
from shopnow.alerts.metrics import METRICS
from shopnow.alerts.model import Observation
from shopnow.events import TOPIC_OF, TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table

ORDERS = TOPICS["orders"]
NOW = datetime.now(UTC)
METRIC = "share_of_quarantine_limit"
ORDER = next(
    events.encode(event) for event in sale(NOW - timedelta(hours=1)) if TOPIC_OF[type(event)].name == "orders"
)
BAD = json.dumps(
    {
        "event_type": "order_placed",
        "customer_id": "c-4711",
        "customer_name": "Nina Probe",
        "address": "Rue Secrète 17, nina@example.org",
        "Nina": 4711,
    },
    ensure_ascii=False,
).encode()


def observe(lake: str, limit: float = 0.25, now: datetime | None = None) -> dict[str, Observation]:
    rows = invalid_records.read_rows(lake, limit, now or datetime.now(UTC))
    return {item.subject: item for item in METRICS[METRIC].observe(METRIC, rows, now or datetime.now(UTC))}


def test_an_alert_names_topic_producer_reasons_and_samples(lake):
    raw_tables.land_records(lake, ORDERS, [ORDER])
    raw_tables.land_records(lake, ORDERS, [BAD] * 7, headers=[("Client.Id", b"legacy shop"), ("x", None)])
    raw_tables.land_records(lake, ORDERS, [b"\x00\x01 Nina Probe", None, b"{"])
    result = evaluate(lake, "run")
    assert result["firing"] == 1
    [alert] = [row for row in tables.read(Table(lake, alert_log.TABLE).open()).to_pylist() if row["rule"]]
    assert (alert["rule"], alert["subject"]) == ("many_invalid_records", "orders")
    facts = alert["facts"]
    assert facts.startswith("10 of 11 records landed since ")
    assert "(91%, limit 25%); producers: legacy shop 7, unknown (no header names it) 3; reasons: " in facts
    assert re.search(r"reasons: missing field: \w+ 7, ", facts)
    assert re.search(r"orders/0/1 \(missing field: \w+\) ", facts)
    assert '"event_type": "order_placed", "customer_id": "x-0000", "customer_name": "xxxx xxxxx"' in facts
    for personal in ("Nina", "Probe", "4711", "Secr", "nina@"):
        assert personal not in facts
    assert len(facts) <= 900
    assert evaluate(lake, "again")["firing"] == 0


def test_the_alert_resolves_with_good_landings(lake):
    raw_tables.land_records(lake, ORDERS, [BAD] * MIN_INVALID)
    assert observe(lake)["orders"].value == 4
    raw_tables.land_records(lake, ORDERS, [ORDER] * 100)
    assert observe(lake)["orders"].value < 0.4
    assert observe(lake)["orders"].facts.endswith("(9%, limit 25%)")


@pytest.mark.parametrize(
    ("good", "bad", "limit", "expected"),
    [
        (0, 9, 0.25, False),
        (30, 10, 0.25, True),
        (31, 10, 0.25, False),
        (0, 10, 1.0, True),
        (1, 10, 1.0, False),
        (1000, 10, 0.0, True),
        (5, 0, 0.0, False),
    ],
)
def test_the_limit(lake, good, bad, limit, expected):
    raw_tables.land_records(lake, ORDERS, [ORDER] * good + [b"{"] * bad)
    observation = observe(lake, limit)["orders"]
    assert (observation.value >= 1) == expected
    assert ("reasons: " in observation.facts) == expected


def test_only_new_landings_count(lake, monkeypatch):
    raw_tables.land_records(lake, ORDERS, [BAD] * 10)
    assert observe(lake, now=datetime.now(UTC) + timedelta(days=2)) == {}
    monkeypatch.setattr(invalid_records, "MAX_LANDINGS", 2)
    raw_tables.land_records(lake, ORDERS, [ORDER])
    raw_tables.land_records(lake, ORDERS, [ORDER])
    assert observe(lake)["orders"].value == 0


def test_each_topic_is_counted_alone(lake):
    raw_tables.land_records(lake, ORDERS, [ORDER] * 100)
    raw_tables.land_records(lake, TOPICS["stock"], [BAD] * 10)
    values = {topic: observation.value for topic, observation in observe(lake).items()}
    assert values == {"orders": 0, "stock": 4}


def test_records_that_were_replayed_are_not_described(lake):
    raw_tables.land_records(lake, ORDERS, [BAD] * 10)
    Table(lake, "raw/orders").open().update({"problem": "NULL"})
    assert observe(lake)["orders"].facts.endswith("they have been replayed or erased")


def test_many_large_records_have_a_bounded_description(lake):
    values = [b'{"event_type": "' + b"<&>" * 20_000 + str(number).encode() + b'"}' for number in range(50)]
    headers = [("producer", b"\xff\x1b[2J<&>" * 1000)]
    raw_tables.land_records(lake, ORDERS, values, headers=headers)
    evaluate(lake, "run")
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert")
    [alerts] = alert_log.announced_alerts(rows).values()
    composed = message.compose("key", alerts, message.Background("http://airflow"))
    assert message.text(composed).replace("\n", "").isprintable()
    assert all(
        len(block.get("text", {}).get("text", "")) <= 3000 for block in message.slack(composed)["blocks"]
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"<order><name>Nina</name></order>", "<xxxxx><xxxx>xxxx</xxxx></xxxxx>"),
        (b'{"items": [{"quantity": 12}]}', '{"items": [{"quantity": 00}]}'),
        ("Zoë".encode("utf-16"), "\\xxx\\xxxx\x00x\x00\\xxx\x00"),
        (b"", ""),
    ],
)
def test_words_that_are_not_of_the_definitions_are_masked(value, expected):
    assert mask(value) == expected
