"""Commands on alerts, and how the overview shows them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from shopnow.alerts import alert_log
from shopnow.alerts.commands import Attribution, acknowledge, silence
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.status import overview
from shopnow.errors import UserError

ANNA = Attribution("anna", "ordered by phone")
SOON = timedelta(hours=2)


@pytest.fixture
def firing(lake, stock) -> str:
    stock({"Mug": 0, "Bowl": 3})
    evaluate(lake, "run-1")
    return lake


def test_an_acknowledgement_is_recorded_with_person_and_reason_and_stops_reminders(firing):
    acknowledge(firing, "stock_out:mug", ANNA)
    [row] = [
        row
        for row in alert_log.read_rows(alert_log.open_table(firing), "alert")
        if row["state"] == "acknowledged"
    ]
    assert (row["fingerprint"], row["by"], row["reason"], row["dedup_key"]) == ("stock_out:mug", *ANNA, None)
    later = evaluate(firing, "run-2", datetime.now(UTC) + timedelta(days=1))
    assert later["dedup_key"] is None
    [mug] = [alert for alert in overview(firing, datetime.now(UTC)).alerts if alert["subject"] == "mug"]
    assert (mug["state"], mug["by"], mug["reason"]) == ("acknowledged", *ANNA)
    assert mug["told_at"] is not None


def test_the_end_of_an_acknowledged_alert_is_notified_in_its_thread(firing, stock):
    first = alert_log.read_rows(alert_log.open_table(firing), "alert")[0]["dedup_key"]
    acknowledge(firing, "stock_out:mug", ANNA)
    stock({"Mug": 50, "Bowl": 3})
    assert evaluate(firing, "run-2")["resolved"] == 1
    row = alert_log.read_rows(alert_log.open_table(firing), "alert")[-1]
    assert (row["state"], row["thread"]) == ("resolved", first)


def test_a_silence_is_recorded_and_suppresses_messages_until_its_end(firing, stock):
    now = datetime.now(UTC)
    silence(firing, "low_stock", now + SOON, ANNA)
    stock({"Mug": 0, "Bowl": 3, "Cup": 2})
    assert evaluate(firing, "run-2")["dedup_key"] is None
    shown = overview(firing, now)
    assert shown.silences == [{"target": "low_stock", "until": now + SOON, "why": ANNA.reason, "by": ANNA.by}]
    assert {alert["subject"]: alert["silenced_until"] for alert in shown.alerts} == {
        "mug": None,
        "bowl": now + SOON,
        "cup": now + SOON,
    }
    assert evaluate(firing, "run-3", now + SOON)["firing"] == 1
    assert overview(firing, now + SOON).silences == []


def test_a_later_silence_replaces_an_earlier_one(firing):
    now = datetime.now(UTC)
    silence(firing, "low_stock", now + SOON, ANNA)
    silence(firing, "low_stock", now + SOON / 2, ANNA)
    assert [silence["until"] for silence in overview(firing, now).silences] == [now + SOON / 2]


@pytest.mark.parametrize(
    ("fingerprint", "attribution", "expected"),
    [
        (
            "stock_out:cup",
            ANNA,
            "'stock_out:cup' has never fired; firing alerts: low_stock:bowl, stock_out:mug",
        ),
        ("stock_out:mug", Attribution("anna", "  "), "give a reason"),
        ("stock_out:mug", Attribution("anna", "x" * 301), "at most 300 characters"),
    ],
)
def test_an_invalid_acknowledgement_is_an_error(firing, fingerprint, attribution, expected):
    with pytest.raises(UserError, match=expected):
        acknowledge(firing, fingerprint, attribution)


def test_a_resolved_alert_cannot_be_acknowledged(firing, stock):
    stock({"Mug": 50, "Bowl": 50})
    evaluate(firing, "run-2")
    with pytest.raises(UserError, match="'stock_out:mug' is resolved, not firing; firing alerts: none"):
        acknowledge(firing, "stock_out:mug", ANNA)


def test_a_silence_needs_an_existing_target_and_a_future_end(firing):
    with pytest.raises(UserError, match=r"'stock' is neither a rule \(stock_out, .*\) nor an alert"):
        silence(firing, "stock", datetime.now(UTC) + SOON, ANNA)
    with pytest.raises(UserError, match="has passed; give a time in the future"):
        silence(firing, "low_stock", datetime.now(UTC), ANNA)


def test_there_are_no_alerts_before_the_first_evaluation(lake):
    with pytest.raises(UserError, match="there are no alerts yet"):
        acknowledge(lake, "stock_out:mug", ANNA)
    assert overview(lake, datetime.now(UTC)) == ([], [], [], [])


def test_commands_and_evaluations_do_not_overwrite_each_other(firing, stock):
    stock({"Mug": 0, "Bowl": 3, "Cup": 2})
    with ThreadPoolExecutor(3) as threads:
        threads.submit(evaluate, firing, "run-2")
        threads.submit(acknowledge, firing, "stock_out:mug", ANNA)
        threads.submit(silence, firing, "low_stock", datetime.now(UTC) + SOON, ANNA)
    shown = overview(firing, datetime.now(UTC))
    assert {alert["subject"]: alert["state"] for alert in shown.alerts} == {
        "mug": "acknowledged",
        "bowl": "firing",
        "cup": "firing",
    }
    assert len(shown.silences) == 1


def test_the_history_has_every_change_newest_first(firing, stock):
    stock({"Mug": 50, "Bowl": 50})
    evaluate(firing, "run-2")
    changes = [(row["fingerprint"], row["state"]) for row in overview(firing, datetime.now(UTC)).history]
    assert set(changes[:2]) == {("stock_out:mug", "resolved"), ("low_stock:bowl", "resolved")}
    assert set(changes[2:]) == {("stock_out:mug", "firing"), ("low_stock:bowl", "firing")}


def test_a_silence_beyond_the_calendar_is_refused(firing):
    until = datetime.fromisoformat("9999-12-31T23:59:59-12:00")
    with pytest.raises(UserError, match="beyond the calendar"):
        silence(firing, "low_stock", until, ANNA)
