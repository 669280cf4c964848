"""Scheduler, triggerer and a DataNode killed in the middle of a run: restarted, reported, nothing lost."""

import os
import signal
import uuid
from collections.abc import Callable
from typing import NamedTuple

import pytest

from factories.stock_out import sell_out
from shopnow.local_stack import airflow_api, supervision
from shopnow.local_stack.services import SERVICES, is_ready
from support.full_stack import MINUTE, get

KILLED = ("airflow-scheduler", "airflow-triggerer", "datanode")


class Restart(NamedTuple):
    """What was seen while the services restarted."""

    product: str
    """A product that sold out just before the kill."""
    run_id: str
    """The run of land_events that was running."""
    status: str
    """What `./shopnow status` printed."""
    incidents: list[str]
    """The open incidents by then."""


@pytest.fixture(scope="module")
def restart(api, settings, mails, shopnow, as_json) -> Restart:
    product = f"product-{uuid.uuid4().hex[:8]}"
    sell_out(settings.bootstrap_servers, product)
    run_id = airflow_api.trigger(api, "land_events", {})

    def is_running() -> bool:
        tasks = get(api, f"/dags/land_events/dagRuns/{run_id}/taskInstances")["task_instances"]
        return any(task["state"] in {"running", "success"} for task in tasks)

    assert supervision.wait_until(is_running, MINUTE)
    pids = {process.name: process.pid for process in supervision.list_processes(settings)}
    for name in KILLED:
        os.kill(pids[name], signal.SIGKILL)
    assert supervision.wait_until(lambda: all(reports(mails, name, 1) for name in KILLED), MINUTE)
    status = shopnow("status").stdout
    incidents = [incident["what"] for incident in as_json("status")["incidents"]]
    return Restart(product, run_id, status, incidents)


def test_the_services_are_restarted_and_each_is_reported_once(restart, settings, mails, as_json):
    for name in KILLED:
        assert name in restart.status
        assert any(f"{name} ended" in incident for incident in restart.incidents)
        # Its end and its return.
        assert supervision.wait_until(lambda name=name: reports(mails, name, 2), 2 * MINUTE)
        assert f"{name} ended" in (settings.data_dir / "slack" / "messages.jsonl").read_text()
    assert supervision.wait_until(
        lambda: all(is_ready(SERVICES[name], settings) for name in KILLED), MINUTE, interval=0.5
    )
    incidents = [incident["what"] for incident in as_json("status")["incidents"]]
    assert not [incident for incident in incidents if " ended at " in incident]
    for name in KILLED:
        assert len(mails(f"{name} ended")) == 2


def test_the_alert_is_delayed_but_not_lost(restart, mails):
    assert supervision.wait_until(lambda: bool(alerts(mails, restart.product)), 5 * MINUTE, interval=0.5)
    assert len(set(alerts(mails, restart.product))) == 1


def test_the_run_ends_and_nothing_is_lost(restart, ends, broken_checks):
    assert ends("land_events", restart.run_id) == "success"
    assert broken_checks() == []


def reports(mails: Callable, name: str, count: int) -> bool:
    """Return whether this many mails report the service's end, or its return."""
    return len(mails(f"{name} ended")) >= count


def alerts(mails: Callable, product: str) -> list[str]:
    """Return the deduplication keys of the alerts about a product."""
    return [mail["X-ShopNow-Dedup-Key"] for mail in mails(product) if mail["X-ShopNow-Dedup-Key"]]
