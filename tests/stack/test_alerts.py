"""The path from a stock-out to an alert and a restock, and the service monitor, on the full stack."""

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
    """Return the subjects of the mails that contain a text."""

    def find(text: str) -> list[str]:
        files = [file.read_bytes() for file in (settings.data_dir / "smtp").glob("*.eml")]
        return [
            message_from_bytes(data, policy=policy.default)["Subject"]
            for data in files
            if text.encode() in data
        ]

    return find


def test_a_stock_out_is_alerted_without_landing_and_proposed_for_restock_once(api, settings, mails, as_json):
    product = f"product-{uuid.uuid4().hex[:8]}"
    for dag_id in ("land_events", "compute_kpis"):
        api.patch(f"/dags/{dag_id}", json={"is_paused": True}).raise_for_status()
    try:
        sell_out(settings.bootstrap_servers, product)
        assert supervision.wait_until(lambda: bool(mails(product)), MINUTE)
        assert next(topic for topic in as_json("topics")["topics"] if topic["topic"] == "stock")["lag"] > 0

        def proposals() -> list[dict]:
            runs = api.get(APPROVE, params={"limit": 1000}).raise_for_status().json()["dag_runs"]
            return [run for run in runs if run["conf"]["product_id"] == product]

        assert supervision.wait_until(lambda: bool(proposals()), MINUTE, interval=1)
        # A second evaluation sends no second message and makes no second proposal.
        run_id = airflow_api.trigger(api, "watch_stock", {})
        run = f"/dags/watch_stock/dagRuns/{run_id}"
        assert supervision.wait_until(
            lambda: api.get(run).json()["state"] in {"success", "failed"}, MINUTE, interval=1
        )
        assert api.get(run).json()["state"] == "success"
        assert len(proposals()) == len(mails(product)) == 1
    finally:
        for dag_id in ("land_events", "compute_kpis"):
            api.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()


def answer(api, run_id: str, option: str, **params: object) -> dict:
    """Answer the approval task of a run until the run has ended; returns the form as it was shown.

    The answer may have to be repeated: one that arrives before the scheduler has noticed that the task waits
    makes the task fail and ask again.
    """
    form_path, form = f"{APPROVE}/{run_id}/taskInstances/approve/-1/hitlDetails", {}

    def has_ended() -> bool:
        if (
            api.get(f"{APPROVE}/{run_id}/taskInstances/approve").raise_for_status().json()["state"]
            == "awaiting_input"
        ):
            form.update(api.get(form_path).raise_for_status().json())
            api.patch(form_path, json={"chosen_options": [option], "params_input": params})
        return api.get(f"{APPROVE}/{run_id}").raise_for_status().json()["state"] in {"success", "failed"}

    assert supervision.wait_until(has_ended, 5 * MINUTE, interval=1)
    assert api.get(f"{APPROVE}/{run_id}").json()["state"] == "success"
    return form


def test_an_approved_restock_is_delivered(api, as_json):
    proposal = {"product_id": "p-042", "product_name": "[a](b)", "on_hand": 3, "quantity": 50}
    run_id = airflow_api.trigger(api, "approve_restock", proposal)
    form = answer(api, run_id, "Approve", pieces=7, delivered_in_days=0, reason="")
    assert form["subject"] == r"Restock \[a\]\(b\) (p\-042)?"
    assert form["params"]["pieces"]["value"] == 50

    def delivered() -> bool:
        events = [
            record["event"]
            for record in as_json("show", "stock", "--limit", "500")["events"]
            if not record["problem"]
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
    form = api.get(f"{APPROVE}/{run_id}/taskInstances/approve/-1/hitlDetails").raise_for_status().json()
    assert form["params_input"]["reason"] == "discontinued"


def test_the_service_monitor_reports_a_dead_scheduler_and_its_recovery(
    api, settings, mails, shopnow, as_json
):
    before = len(mails("airflow-scheduler is dead"))
    pid = next(
        service["pid"] for service in as_json("status")["services"] if service["name"] == "airflow-scheduler"
    )
    os.kill(pid, signal.SIGKILL)
    assert supervision.wait_until(lambda: len(mails("airflow-scheduler is dead")) == before + 1, MINUTE)
    assert scheduler_incidents(as_json)
    messages = settings.data_dir / "slack" / "messages.jsonl"
    assert "airflow-scheduler is dead" in messages.read_text()
    shopnow("up")
    assert supervision.wait_until(lambda: len(mails("airflow-scheduler is dead")) == before + 2, MINUTE)
    assert not scheduler_incidents(as_json)


def scheduler_incidents(as_json) -> list[str]:
    """Return the open incidents about the scheduler."""
    incidents = [incident["what"] for incident in as_json("status")["incidents"]]
    return [incident for incident in incidents if "airflow-scheduler" in incident]


def test_the_service_monitor_reports_failed_runs_except_those_that_a_person_started(api, ends, mails):
    manual_run = airflow_api.trigger(
        api, "forget_customer", {"customer_id": "c-1", "confirm": "someone else"}
    )
    assert ends("forget_customer", manual_run) == "failed"
    [raw] = api.get("/assets", params={"name_pattern": "raw"}).raise_for_status().json()["assets"]

    def trigger_by_asset() -> str:
        """Return a run of compute_kpis that an asset event triggered."""
        api.post("/assets/events", json={"asset_id": raw["id"], "extra": {}}).raise_for_status()

        def runs() -> list[str]:
            # By any event: an event joins the run that already waits, which has the time of its first event.
            candidates = airflow_api.list_runs(api, "compute_kpis", datetime.now(UTC) - timedelta(hours=1))
            return [
                run["dag_run_id"]
                for run in candidates
                if run["run_type"] == "asset_triggered" and run["state"] in {"queued", "running"}
            ]

        # The previous run may have to be retried first, as the scheduler was killed during it.
        assert supervision.wait_until(lambda: bool(runs()), 5 * MINUTE, interval=0.5)
        return runs()[0]

    def is_failure_reported() -> bool:
        """Fail a run; returns whether that is reported, or False if the run succeeded at that moment."""
        address = f"/dags/compute_kpis/dagRuns/{trigger_by_asset()}"
        api.patch(address, json={"state": "failed"}).raise_for_status()

        def has_outcome() -> bool:
            return (
                len(mails("compute_kpis: run")) == 1
                or api.get(address).raise_for_status().json()["state"] == "success"
            )

        assert supervision.wait_until(has_outcome, MINUTE)
        return len(mails("compute_kpis: run")) == 1

    assert supervision.wait_until(is_failure_reported, 5 * MINUTE)
    assert ends("compute_kpis", trigger_by_asset()) == "success"
    assert supervision.wait_until(lambda: len(mails("compute_kpis: run")) == 2, MINUTE)
    assert not mails("forget_customer: run")
