"""Delivering the outbox once, whatever a channel answers and with concurrent deliveries."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from shopnow.alerts import alert_log, message_contents, outbox, rules
from shopnow.alerts.dispatcher import Undelivered, backoff_seconds, deliver, sent_totals
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.message import Message
from shopnow.alerts.outbox import LEASE
from shopnow.alerts.status import overview
from shopnow.notifications.delivery_errors import Refused, Unavailable, Unconfirmed

NO_RETRIES = timedelta(seconds=0.5)


class Recorder:
    """A channel with scripted answers; records what was sent, and in `accepted` what people would see."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers: Iterator[Exception | None] = iter(answers)
        self.sent: list[str] = []
        self.accepted: list[str] = []
        self.ready_calls = 0

    def ready(self) -> None:
        self.ready_calls += 1

    def send(self, message: Message) -> None:
        self.sent.append(message.dedup_key)
        answer = next(self.answers, None)
        if answer is None or isinstance(answer, Unconfirmed):
            self.accepted.append(message.dedup_key)
        if answer is not None:
            raise answer


@pytest.fixture
def queued(lake, stock) -> str:
    """A lake with one message for each channel, queued by run-1; its dedup key."""
    stock({"Mug": 0, "Bowl": 3})
    return str(evaluate(lake, "run-1")["dedup_key"])


def channels(email: Recorder | None = None, slack: Recorder | None = None) -> dict[str, Recorder]:
    return {"email": email or Recorder(), "slack": slack or Recorder()}


def run(
    lake: str, to: dict[str, Recorder], owner: str = "run-1", retry_timeout: timedelta = timedelta(seconds=10)
):
    return deliver(lake, owner, to, "http://airflow.example", retry_timeout)


def states(lake: str, channel: str) -> list[str]:
    return [
        row["state"]
        for row in alert_log.read_rows(alert_log.open_table(lake), "message")
        if row["channel"] == channel
    ]


def test_an_empty_outbox_sends_nothing(lake):
    assert run(lake, channels()) == []
    assert sent_totals(lake) == []


def test_a_message_is_sent_once_and_marked(lake, queued):
    to = channels()
    assert sorted(run(lake, to), key=lambda delivery: delivery["channel"]) == [
        {"channel": "email", "dedup_key": queued, "alerts": 2},
        {"channel": "slack", "dedup_key": queued, "alerts": 2},
    ]
    assert run(lake, to) == []
    assert to["email"].accepted == to["slack"].accepted == [queued]
    assert sent_totals(lake) == [
        {"channel": "email", "messages": 1, "alerts": 2},
        {"channel": "slack", "messages": 1, "alerts": 2},
    ]


def test_a_channel_that_is_down_delays_no_other_and_loses_nothing(lake, queued):
    to = channels(slack=Recorder(*[Unavailable("down")] * 2))
    for _ in range(2):
        with pytest.raises(Undelivered, match="slack: down"):
            run(lake, to, retry_timeout=NO_RETRIES)
        assert to["email"].accepted == [queued]
        assert to["slack"].accepted == []
    assert [delivery["channel"] for delivery in run(lake, to)] == ["slack"]
    assert to["slack"].accepted == [queued]
    assert states(lake, "slack") == ["queued", "failed", "claimed", "failed", "claimed", "sent"]


def test_an_unavailable_channel_is_retried_until_the_timeout(lake, queued):
    to = channels(
        email=Recorder(Unavailable("busy")), slack=Recorder(Unavailable("slow down", retry_after=1.2))
    )
    assert len(run(lake, to)) == 2
    assert len(to["email"].sent) == len(to["slack"].sent) == 2


def test_a_long_retry_after_is_left_to_the_next_run(lake, queued):
    with pytest.raises(Undelivered, match="slack: slow down"):
        run(lake, channels(slack=Recorder(Unavailable("slow down", retry_after=3600))))
    assert len(run(lake, channels(), owner="run-2")) == 1


def test_a_refused_message_is_not_retried_and_the_next_one_is_sent(lake, stock, queued):
    stock({"Mug": 50, "Bowl": 50})
    later = evaluate(lake, "run-1")["dedup_key"]
    to = channels(slack=Recorder(Refused("invalid_blocks")))
    with pytest.raises(Undelivered, match="invalid_blocks"):
        run(lake, to)
    assert to["slack"].sent == [queued, later]
    assert to["slack"].accepted == [later]


def test_a_bug_in_a_channel_is_reported_without_its_text(lake, queued, caplog):
    to = channels(slack=Recorder(ValueError("https://hooks.slack.example/services/secret")))
    with pytest.raises(Undelivered, match="slack: unexpected ValueError") as caught:
        run(lake, to)
    assert "secret" not in str(caught.value) + caplog.text + str(
        alert_log.read_rows(alert_log.open_table(lake), "message")
    )
    assert to["email"].accepted == [queued]


def test_a_message_that_cannot_be_composed_blocks_no_other(lake, stock, queued, monkeypatch):
    stock({"Mug": 50, "Bowl": 50})
    later = evaluate(lake, "run-1")["dedup_key"]
    compose = message_contents.compose

    def fail_for_first(key, *args):
        return 1 / 0 if key == queued else compose(key, *args)

    monkeypatch.setattr(message_contents, "compose", fail_for_first)
    to = channels()
    with pytest.raises(Undelivered, match="cannot be composed"):
        run(lake, to)
    assert to["email"].sent == to["slack"].sent == [later]


def test_an_unknown_channel_is_named(lake, queued):
    with pytest.raises(Undelivered, match="slack: unknown channel; expected one of: email"):
        run(lake, {"email": Recorder()})


def test_no_answer_means_one_repeat_when_the_channel_answers_again(lake, queued):
    to = channels(slack=Recorder(Unconfirmed("no answer")))
    run(lake, to)
    assert to["slack"].accepted == [queued, queued]
    assert to["slack"].ready_calls == 1
    assert states(lake, "slack") == ["queued", "unconfirmed", "sent"]


def test_no_answer_twice_means_no_third_attempt_in_later_runs(lake, queued):
    to = channels(slack=Recorder(*[Unconfirmed("no answer")] * 5))
    for _ in range(3):
        run(lake, to)
        run(lake, to, owner="run-2")
    assert to["slack"].accepted == [queued, queued]
    assert states(lake, "slack") == ["queued", "unconfirmed", "unconfirmed"]


def test_no_answer_twice_is_final_and_shown(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1", now=datetime.now(UTC) - timedelta(days=2))
    to = channels(slack=Recorder(*[Unconfirmed("no answer")] * 5))
    run(lake, to)
    later = datetime.now(UTC) + timedelta(days=2)
    assert outbox.claim(alert_log.open_table(lake), "run-9", later, timedelta(minutes=1)) == []
    [message] = overview(lake, later).messages
    assert (message["channel"], message["state"], message["attempts"], message["over"]) == (
        "slack",
        "unconfirmed",
        2,
        True,
    )


def test_a_message_that_no_run_can_send_is_dead_and_its_alert_is_repeated_later(
    lake, stock, queued, monkeypatch
):
    monkeypatch.setattr(outbox, "MAX_FAILED_RUNS", 3)
    to = channels(slack=Recorder(*[Refused("invalid_token")] * 3))
    for _ in range(3):
        with pytest.raises(Undelivered, match="invalid_token"):
            run(lake, to)
    assert run(lake, to) == []
    assert states(lake, "slack")[-1] == "dead"
    [message] = overview(lake, datetime.now(UTC)).messages
    assert (message["channel"], message["state"], message["attempts"]) == ("slack", "dead", 3)
    assert "given up after 3 runs" in message["reason"]
    again = evaluate(lake, "run-9", now=datetime.now(UTC) + timedelta(days=1))["dedup_key"]
    run(lake, to, owner="run-9")
    assert to["slack"].accepted == [again]


def test_a_message_that_is_too_old_is_dead(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1", now=datetime.now(UTC) - outbox.MAX_AGE)
    with pytest.raises(Undelivered, match=r"email: given up after 1 runs since .*: down"):
        run(lake, channels(email=Recorder(Unavailable("down"))), retry_timeout=NO_RETRIES)
    assert states(lake, "email")[-1] == "dead"
    assert states(lake, "slack")[-1] == "sent"


def test_a_channel_gets_only_the_alerts_of_its_rules(lake, stock):
    stock({"Mug": 0, "Bowl": 3})
    rule_set = dict(rules.load())
    rule_set["low_stock"] = structs.replace(rule_set["low_stock"], channels=("slack",))
    evaluate(lake, "run-1", rule_set=rule_set)
    assert {item["channel"]: item["alerts"] for item in run(lake, channels())} == {"email": 1, "slack": 2}
    assert {item["channel"]: item["alerts"] for item in sent_totals(lake)} == {"email": 1, "slack": 2}


def test_concurrent_deliveries_send_one_message(lake, queued):
    to = channels()
    with ThreadPoolExecutor(3) as threads:
        deliveries = list(threads.map(lambda number: run(lake, to, owner=f"run-{number}"), range(1, 4)))
    assert to["email"].accepted == to["slack"].accepted == [queued]
    assert len(deliveries[0]) == 2


def test_the_messages_of_a_dead_run_are_sent_by_another_after_its_lease(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1", now=datetime.now(UTC) - LEASE)
    to = channels()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda owner: run(lake, to, owner=owner), ["run-2", "run-3"]))
    assert len(to["email"].accepted) == len(to["slack"].accepted) == 1


def test_the_retry_of_a_dead_run_does_not_wait(lake, queued):
    assert len(run(lake, channels(), owner="run-1")) == 2


def test_the_backoff_grows_to_a_limit_and_respects_retry_after():
    assert [backoff_seconds(attempt) for attempt in range(1, 7)] == [1, 2, 4, 8, 15, 15]
    assert backoff_seconds(1, retry_after=30) == 30


def test_damaged_kpi_tables_only_leave_out_the_advice(lake, queued, monkeypatch):
    def fail(*arguments):
        raise OSError("damaged")

    monkeypatch.setattr(message_contents.restock_advice, "read", fail)
    to = channels()
    run(lake, to)
    assert to["email"].accepted == to["slack"].accepted == [queued]
