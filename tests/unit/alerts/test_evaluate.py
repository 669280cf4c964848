"""Evaluation: from the data to alerts and queued messages, in one commit."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import DeltaTable
from msgspec import structs

from shopnow.alerts import alert_log, outbox, rules
from shopnow.alerts.evaluate import evaluate
from shopnow.lake.delta.conflicts import CommitConflict


def messages(lake: str) -> list[outbox.Pending]:
    return outbox.pending_messages(alert_log.read_rows(alert_log.open_table(lake), "message"))


def test_an_empty_lake_is_not_evaluated(lake):
    assert evaluate(lake, "run-1") == {
        "products": 0,
        "firing": 0,
        "resolved": 0,
        "repeated": 0,
        "dedup_key": None,
        "on_hand": {},
        "failures": [],
    }
    assert not DeltaTable.is_deltatable(f"{lake}/alerts")


def test_alerts_and_their_messages_are_one_commit(lake, stock):
    stock({"Mug": 0, "Bowl": 3, "Plate": 50})
    now = datetime(2026, 7, 2, tzinfo=UTC)
    evaluation = evaluate(lake, "run-1", now)
    assert (evaluation["products"], evaluation["firing"], evaluation["resolved"]) == (3, 2, 0)
    table = alert_log.open_table(lake)
    assert table.version() == 1  # version 0 created the table
    alerts = alert_log.read_rows(table, "alert")
    assert {(row["rule"], row["subject"], row["state"], row["at"]) for row in alerts} == {
        ("stock_out", "mug", "firing", now),
        ("low_stock", "bowl", "firing", now),
    }
    assert {(message.channel, message.dedup_key, message.held_by) for message in messages(lake)} == {
        ("email", evaluation["dedup_key"], "run-1"),
        ("slack", evaluation["dedup_key"], "run-1"),
    }
    assert len(alert_log.announced_alerts(alerts)[str(evaluation["dedup_key"])]) == 2


def test_unchanged_stock_makes_no_commit(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1")
    assert evaluate(lake, "run-2")["dedup_key"] is None
    assert alert_log.open_table(lake).version() == 1


def test_the_end_of_an_alert_is_notified(lake, stock):
    stock({"Mug": 0})
    first = evaluate(lake, "run-1")
    stock({"Mug": 50})
    second = evaluate(lake, "run-2")
    assert (second["firing"], second["resolved"]) == (0, 1)
    assert second["dedup_key"] not in {None, first["dedup_key"]}


def test_an_unannounced_change_is_recorded_but_not_notified(lake, stock):
    for quantity in (3, 0, 50):
        stock({"Mug": quantity})
        evaluate(lake, f"run-{quantity}")
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert")
    assert [(row["rule"], row["state"]) for row in rows if row["dedup_key"] is None] == [
        ("low_stock", "inhibited"),
        ("low_stock", "resolved"),
    ]


def test_the_slower_of_two_decisions_fails_and_writes_nothing(lake, stock):
    stock({"Mug": 0})
    slower = alert_log.open_table(lake)
    evaluate(lake, "run-1")
    row = {
        "at": datetime.now(UTC),
        "sequence": alert_log.next_sequence(slower),
        "kind": "message",
        "state": "claimed",
    }
    with pytest.raises(CommitConflict):
        alert_log.commit_decision(slower, [row])
    assert all(row["state"] == "queued" for row in alert_log.read_rows(alert_log.open_table(lake), "message"))


@pytest.mark.parametrize("attempt", range(3))
def test_concurrent_evaluations_raise_each_alert_once(lake, stock, attempt):
    stock({"Mug": 0, "Bowl": 3})
    with ThreadPoolExecutor(4) as threads:
        evaluations = list(threads.map(lambda number: evaluate(lake, f"run-{number}"), range(4)))
    assert sum(evaluation["dedup_key"] is not None for evaluation in evaluations) == 1
    assert len(messages(lake)) == 2
    assert len(alert_log.read_rows(alert_log.open_table(lake), "alert")) == 2


def test_a_firing_alert_is_repeated_after_its_interval(lake, stock):
    stock({"Mug": 0})
    start = datetime(2026, 7, 2, tzinfo=UTC)
    first = evaluate(lake, "run-1", start)
    assert evaluate(lake, "run-2", start + timedelta(hours=23))["dedup_key"] is None
    again = evaluate(lake, "run-3", start + timedelta(hours=24))
    assert (again["firing"], again["repeated"]) == (0, 1)
    assert again["dedup_key"] not in {None, first["dedup_key"]}
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert")
    assert [(row["dedup_key"], row["thread"]) for row in rows] == [
        (first["dedup_key"], first["dedup_key"]),
        (again["dedup_key"], first["dedup_key"]),
    ]


def test_a_message_is_queued_only_on_the_channels_of_its_rules(lake, stock):
    stock({"Mug": 0})
    by_mail = {name: structs.replace(rule, channels=("email",)) for name, rule in rules.load().items()}
    evaluate(lake, "run-1", rule_set=by_mail)
    assert [message.channel for message in messages(lake)] == ["email"]


def test_the_stock_of_products_with_an_active_alert_is_returned(lake, stock):
    stock({"Mug": 2, "Bowl": 0, "Plate": 50})
    assert evaluate(lake, "run-1")["on_hand"] == {"mug": 2, "bowl": 0}
    stock({"Mug": 50, "Bowl": 1, "Plate": 50})
    assert evaluate(lake, "run-2")["on_hand"] == {"bowl": 1}
