"""Delivering the outbox: once, whatever a channel answers and whoever else delivers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from shopnow.alerts import alert_log, outbox, rules
from shopnow.alerts.channels import Refused, Unavailable, Unconfirmed
from shopnow.alerts.dispatcher import Undelivered, backoff, deliver, sent
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.message import Message
from shopnow.alerts.outbox import LEASE
from shopnow.alerts.status import overview

NO_PATIENCE = timedelta(seconds=0.5)


class Recorder:
    """A channel that answers as told and remembers what it was handed; `taken` are the messages people would see."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers: Iterator[Exception | None] = iter(answers)
        self.handed: list[str] = []
        self.taken: list[str] = []
        self.asked = 0

    def ready(self) -> None:
        self.asked += 1

    def send(self, message: Message) -> None:
        self.handed.append(message.dedup_key)
        answer = next(self.answers, None)
        if answer is None or isinstance(answer, Unconfirmed):
            self.taken.append(message.dedup_key)
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
    lake: str, to: dict[str, Recorder], owner: str = "run-1", patience: timedelta = timedelta(seconds=10)
):
    return deliver(lake, owner, to, "http://airflow.example", patience)


def states(lake: str, channel: str) -> list[str]:
    return [
        row["state"]
        for row in alert_log.rows(alert_log.open_journal(lake), "message")
        if row["channel"] == channel
    ]


def test_an_empty_outbox_sends_nothing(lake):
    assert run(lake, channels()) == []
    assert sent(lake) == []


def test_a_message_is_sent_once_and_marked(lake, queued):
    to = channels()
    assert sorted(run(lake, to), key=lambda each: each["channel"]) == [
        {"channel": "email", "dedup_key": queued, "alerts": 2},
        {"channel": "slack", "dedup_key": queued, "alerts": 2},
    ]
    assert run(lake, to) == []
    assert to["email"].taken == to["slack"].taken == [queued]
    assert sent(lake) == [
        {"channel": "email", "messages": 1, "alerts": 2},
        {"channel": "slack", "messages": 1, "alerts": 2},
    ]


def test_a_channel_that_is_down_holds_back_no_other_and_loses_nothing(lake, queued):
    to = channels(slack=Recorder(*[Unavailable("down")] * 2))
    for _ in range(2):
        with pytest.raises(Undelivered, match="slack: down"):
            run(lake, to, patience=NO_PATIENCE)
        assert to["email"].taken == [queued]
        assert to["slack"].taken == []
    assert [each["channel"] for each in run(lake, to)] == ["slack"]
    assert to["slack"].taken == [queued]
    assert states(lake, "slack") == ["queued", "failed", "claimed", "failed", "claimed", "sent"]


def test_it_tries_again_as_long_as_it_has_patience(lake, queued):
    to = channels(
        email=Recorder(Unavailable("busy")), slack=Recorder(Unavailable("slow down", retry_after=1.2))
    )
    assert len(run(lake, to)) == 2
    assert len(to["email"].handed) == len(to["slack"].handed) == 2


def test_a_long_pause_asked_for_is_left_to_the_next_run(lake, queued):
    with pytest.raises(Undelivered, match="slack: slow down"):
        run(lake, channels(slack=Recorder(Unavailable("slow down", retry_after=3600))))
    assert len(run(lake, channels(), owner="run-2")) == 1


def test_a_refused_message_is_not_insisted_on_and_the_next_one_goes_out(lake, stock, queued):
    stock({"Mug": 50, "Bowl": 50})
    later = evaluate(lake, "run-1")["dedup_key"]
    to = channels(slack=Recorder(Refused("invalid_blocks")))
    with pytest.raises(Undelivered, match="invalid_blocks"):
        run(lake, to)
    assert to["slack"].handed == [queued, later]
    assert to["slack"].taken == [later]


def test_a_fault_in_a_channel_is_told_without_its_text(lake, queued, caplog):
    to = channels(slack=Recorder(ValueError("https://hooks.slack.example/services/secret")))
    with pytest.raises(Undelivered, match="slack: unexpected ValueError") as caught:
        run(lake, to)
    assert "secret" not in str(caught.value) + caplog.text + str(
        alert_log.rows(alert_log.open_journal(lake), "message")
    )
    assert to["email"].taken == [queued]


def test_a_channel_that_is_gone_is_named(lake, queued):
    with pytest.raises(Undelivered, match="slack: there is no channel of that name; there are email"):
        run(lake, {"email": Recorder()})


def test_no_answer_means_one_repeat_once_the_channel_answers(lake, queued):
    to = channels(slack=Recorder(Unconfirmed("no answer")))
    run(lake, to)
    assert to["slack"].taken == [queued, queued]
    assert to["slack"].asked == 1
    assert states(lake, "slack") == ["queued", "unconfirmed", "sent"]


def test_no_answer_twice_means_no_third_time_for_now(lake, queued):
    to = channels(slack=Recorder(*[Unconfirmed("no answer")] * 5))
    for _ in range(3):
        run(lake, to)
        run(lake, to, owner="run-2")
    assert to["slack"].taken == [queued, queued]
    assert states(lake, "slack") == ["queued", "unconfirmed", "unconfirmed"]


def test_no_answer_twice_is_never_a_third_time_and_is_shown(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1", now=datetime.now(UTC) - timedelta(days=2))
    to = channels(slack=Recorder(*[Unconfirmed("no answer")] * 5))
    run(lake, to)
    later = datetime.now(UTC) + timedelta(days=2)
    assert outbox.claim(alert_log.open_journal(lake), "run-9", later, timedelta(minutes=1)) == []
    [message] = overview(lake, later).messages
    assert (message["channel"], message["state"], message["attempts"], message["over"]) == (
        "slack",
        "unconfirmed",
        2,
        True,
    )


def test_a_message_that_no_run_can_send_is_dead_and_shown_and_the_alert_is_told_again_in_its_time(
    lake, stock, queued, monkeypatch
):
    monkeypatch.setattr(outbox, "MOST_FAILURES", 3)
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
    assert to["slack"].taken == [again]


def test_a_message_that_is_too_old_is_dead(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1", now=datetime.now(UTC) - outbox.OLDEST)
    with pytest.raises(Undelivered, match=r"email: given up after 1 runs since .*: down"):
        run(lake, channels(email=Recorder(Unavailable("down"))), patience=NO_PATIENCE)
    assert states(lake, "email")[-1] == "dead"
    assert states(lake, "slack")[-1] == "sent"


def test_a_channel_is_sent_only_the_alerts_that_are_told_there(lake, stock):
    stock({"Mug": 0, "Bowl": 3})
    rule_set = dict(rules.load())
    rule_set["low_stock"] = structs.replace(rule_set["low_stock"], channels=("slack",))
    evaluate(lake, "run-1", rule_set=rule_set)
    assert {each["channel"]: each["alerts"] for each in run(lake, channels())} == {"email": 1, "slack": 2}
    assert {each["channel"]: each["alerts"] for each in sent(lake)} == {"email": 1, "slack": 2}


def test_two_deliveries_at_once_send_one_message(lake, queued):
    to = channels()
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda number: run(lake, to, owner=f"run-{number}"), range(1, 4)))
    assert to["email"].taken == to["slack"].taken == [queued]
    assert len(found[0]) == 2


def test_the_messages_of_a_run_that_died_are_sent_by_another_when_its_lease_is_over(lake, stock):
    stock({"Mug": 0})
    evaluate(lake, "run-1", now=datetime.now(UTC) - LEASE)
    to = channels()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda owner: run(lake, to, owner=owner), ["run-2", "run-3"]))
    assert len(to["email"].taken) == len(to["slack"].taken) == 1


def test_the_retry_of_a_run_that_died_need_not_wait(lake, queued):
    assert len(run(lake, channels(), owner="run-1")) == 2


def test_the_wait_grows_up_to_a_limit_and_minds_what_was_asked_for():
    assert [backoff(attempt) for attempt in range(1, 7)] == [1, 2, 4, 8, 15, 15]
    assert backoff(1, retry_after=30) == 30
