"""The fast path to an alert and what follows from it, and the watchdog, with everything running."""

import os
import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from factories.stock_out import sell_out
from shopnow.local_stack import airflow_api, supervision

MINUTE = 60
APPROVE = "/dags/approve_restock/dagRuns"

Mails = Callable[[str], list[str]]


@pytest.fixture
def mails(settings) -> Mails:
    """The subjects of the mails that hold some text."""

    def find(text: str) -> list[str]:
        files = [file.read_bytes() for file in (settings.data_dir / "smtp").glob("*.eml")]
        return [
            message_from_bytes(each, policy=policy.default)["Subject"]
            for each in files
            if text.encode() in each
        ]

    return find


def test_a_stock_out_is_told_without_landing_and_asked_about_once(api, settings, mails, as_json):
    product = f"product-{uuid.uuid4().hex[:8]}"
    for dag_id in ("land_events", "compute_kpis"):
        api.patch(f"/dags/{dag_id}", json={"is_paused": True}).raise_for_status()
    try:
        sell_out(settings.bootstrap_servers, product)
        assert supervision.wait_until(lambda: bool(mails(product)), MINUTE)
        assert next(topic for topic in as_json("topics")["topics"] if topic["topic"] == "stock")["lag"] > 0

        def asked() -> list[dict]:
            runs = api.get(APPROVE, params={"limit": 1000}).raise_for_status().json()["dag_runs"]
            return [run for run in runs if run["conf"]["product_id"] == product]

        assert supervision.wait_until(lambda: bool(asked()), MINUTE, interval=1)
        # Looking again makes no second message and no second proposal.
        again = airflow_api.trigger(api, "watch_stock", {})
        ended = f"/dags/watch_stock/dagRuns/{again}"
        assert supervision.wait_until(
            lambda: api.get(ended).json()["state"] in {"success", "failed"}, MINUTE, interval=1
        )
        assert api.get(ended).json()["state"] == "success"
        assert len(asked()) == len(mails(product)) == 1
    finally:
        for dag_id in ("land_events", "compute_kpis"):
            api.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()


def answer(api, run_id: str, option: str, **given: object) -> dict:
    """Answers what a run asks, until it is done, and gives the question as it was shown.

    An answer that is there before the scheduler has noticed that the task waits is taken for a failure, and asked for again.
    """
    question, shown = f"{APPROVE}/{run_id}/taskInstances/approve/-1/hitlDetails", {}

    def done() -> bool:
        if (
            api.get(f"{APPROVE}/{run_id}/taskInstances/approve").raise_for_status().json()["state"]
            == "awaiting_input"
        ):
            shown.update(api.get(question).raise_for_status().json())
            api.patch(question, json={"chosen_options": [option], "params_input": given})
        return api.get(f"{APPROVE}/{run_id}").raise_for_status().json()["state"] in {"success", "failed"}

    assert supervision.wait_until(done, 5 * MINUTE, interval=1)
    assert api.get(f"{APPROVE}/{run_id}").json()["state"] == "success"
    return shown


def test_an_approved_restock_is_delivered(api, as_json):
    asked = {"product_id": "p-042", "product_name": "[a](b)", "on_hand": 3, "quantity": 50}
    run_id = airflow_api.trigger(api, "approve_restock", asked)
    shown = answer(api, run_id, "Approve", pieces=7, delivered_in_days=0, reason="")
    assert shown["subject"] == r"Restock \[a\]\(b\) (p\-042)?"
    assert shown["params"]["pieces"]["value"] == 50

    def delivered() -> bool:
        events = [
            each["event"]
            for each in as_json("show", "stock", "--limit", "500")["events"]
            if not each["problem"]
        ]
        restocked = ("stock_restocked", "p-042", 7)
        return restocked in [
            (event["event_type"], event["product_id"], event["quantity_change"]) for event in events
        ]

    assert supervision.wait_until(delivered, 3 * MINUTE, interval=3)


def test_a_rejected_restock_orders_nothing_and_keeps_the_reason(api):
    run_id = airflow_api.trigger(api, "approve_restock", {"product_id": "p-042", "on_hand": 3, "quantity": 9})
    answer(api, run_id, "Reject", pieces=9, delivered_in_days=0, reason="discontinued")
    tasks = api.get(f"{APPROVE}/{run_id}/taskInstances").raise_for_status().json()["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks} == {
        "approve": "success",
        "order": "skipped",
        "delivery_due": "skipped",
        "supply": "skipped",
    }
    kept = api.get(f"{APPROVE}/{run_id}/taskInstances/approve/-1/hitlDetails").raise_for_status().json()
    assert kept["params_input"]["reason"] == "discontinued"


def test_the_watchdog_tells_of_a_dead_scheduler_and_when_it_is_back(api, settings, mails, shopnow, as_json):
    before = len(mails("airflow-scheduler is dead"))
    pid = next(
        service["pid"] for service in as_json("status")["services"] if service["name"] == "airflow-scheduler"
    )
    os.kill(pid, signal.SIGKILL)
    assert supervision.wait_until(lambda: len(mails("airflow-scheduler is dead")) == before + 1, MINUTE)
    assert [each["what"] for each in as_json("status")["incidents"] if "airflow-scheduler" in each["what"]]
    kept = settings.data_dir / "slack" / "messages.jsonl"
    assert "airflow-scheduler is dead" in kept.read_text()
    shopnow("up")
    assert supervision.wait_until(lambda: len(mails("airflow-scheduler is dead")) == before + 2, MINUTE)
    assert not [each for each in as_json("status")["incidents"] if "airflow-scheduler" in each["what"]]


def test_the_watchdog_tells_of_a_run_that_failed_but_not_of_a_persons_own(api, ends, mails):
    own = airflow_api.trigger(api, "forget_customer", {"customer_id": "c-1", "confirm": "someone else"})
    assert ends("forget_customer", own) == "failed"
    [raw] = api.get("/assets", params={"name_pattern": "raw"}).raise_for_status().json()["assets"]

    def woken() -> str:
        """A run of compute_kpis that nobody started but its asset."""
        api.post("/assets/events", json={"asset_id": raw["id"], "extra": {}}).raise_for_status()

        def runs() -> list[str]:
            # Of whichever event: one that waited already is joined by this one, and its run has the time of the first.
            found = airflow_api.list_runs(api, "compute_kpis", datetime.now(UTC) - timedelta(hours=1))
            return [
                run["dag_run_id"]
                for run in found
                if run["run_type"] == "asset_triggered" and run["state"] in {"queued", "running"}
            ]

        # The run before may have to be started again first, as it was under way when the scheduler was killed.
        assert supervision.wait_until(lambda: bool(runs()), 5 * MINUTE, interval=0.5)
        return runs()[0]

    def told() -> bool:
        """Whether a run that was failed is told of; it may also have ended well at that very moment, and is then another one's turn."""
        address = f"/dags/compute_kpis/dagRuns/{woken()}"
        api.patch(address, json={"state": "failed"}).raise_for_status()

        def settled() -> bool:
            return (
                len(mails("compute_kpis: run")) == 1
                or api.get(address).raise_for_status().json()["state"] == "success"
            )

        assert supervision.wait_until(settled, MINUTE)
        return len(mails("compute_kpis: run")) == 1

    assert supervision.wait_until(told, 5 * MINUTE)
    assert ends("compute_kpis", woken()) == "success"
    assert supervision.wait_until(lambda: len(mails("compute_kpis: run")) == 2, MINUTE)
    assert not mails("forget_customer: run")
