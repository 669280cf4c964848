"""Maintenance of the lake through Airflow, on everything that the tests before it have landed.

The runs are triggered together where they may run together, so that their starts overlap.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg2
import pytest

from shopnow.audit import audit_log
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow, airflow_api, supervision
from shopnow.settings import Settings
from support.full_stack import FINAL_STATES, MINUTE, get


@pytest.fixture(scope="module")
def settled(api: httpx.Client) -> None:
    """Wait until the runs that earlier tests triggered have ended."""
    samples: list[int] = []

    def is_idle() -> bool:
        active = [
            run
            for run in airflow_api.list_active_runs(api)
            if run["dag_id"] in {"land_events", "compute_kpis"}
        ]
        samples.append(len(active))
        # A changed asset triggers the next DAG with a delay.
        return samples[-3:] == [0, 0, 0]

    assert supervision.wait_until(is_idle, 5 * MINUTE, interval=1)


def test_rebuilding_a_day_and_clearing_old_runs_change_nothing(settled, api, ends, versions):
    before = versions()
    cleared = {dag_id: clear_first_run(api, dag_id) for dag_id in ("land_events", "compute_kpis")}
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    start_backfill(api, day)

    def runs() -> list[dict]:
        return [
            run for run in airflow_api.list_runs(api, "rebuild_day", day) if run["run_type"] == "backfill"
        ]

    assert supervision.wait_until(
        lambda: any(run["state"] in FINAL_STATES for run in runs()), 5 * MINUTE, interval=1
    )
    [run] = runs()
    assert run["state"] == "success"
    assert run["logical_date"].startswith(str(day.date()))
    tasks = get(api, f"/dags/rebuild_day/dagRuns/{run['dag_run_id']}/taskInstances")["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks} == {"landed": "success", "rebuild": "success"}
    for dag_id, run_id in cleared.items():
        assert ends(dag_id, run_id) == "success"
    assert versions() == before


@pytest.fixture(scope="module")
def maintained(settled, api, ends, settings, mails) -> str:
    """Audit, compact, and forget a customer after a failed attempt; returns the customer."""
    customer = min(customers(settings) - {None})
    tomorrow = str((datetime.now(UTC) + timedelta(days=1)).date())
    since = datetime.now(UTC)
    audit = airflow_api.trigger(api, "audit_lake", {})
    unconfirmed = airflow_api.trigger(
        api, "forget_customer", {"customer_id": customer, "confirm": "someone else"}
    )
    assert ends("forget_customer", unconfirmed) == "failed"
    assert customer in customers(settings)
    assert ends("audit_lake", audit) == "success"
    assert audit_log.latest(settings.lake_uri).at >= since
    assert audit_log.latest(settings.lake_uri).broken == []

    assert supervision.wait_until(
        lambda: any(
            run["run_type"] == "asset_triggered" for run in airflow_api.list_runs(api, "watch_stock", since)
        ),
        MINUTE,
        interval=0.5,
    )
    assert ends("compact_lake", airflow_api.trigger(api, "compact_lake", {"before": tomorrow})) == "success"
    confirmed = airflow_api.trigger(api, "forget_customer", {"customer_id": customer, "confirm": customer})
    assert ends("forget_customer", confirmed) == "success"
    # A person triggered the run that failed, and sees that; the service monitor checks every five seconds.
    assert not mails("forget_customer: run")
    return customer


def test_compaction_leaves_few_files(maintained, settings):
    for topic in ("orders", "stock"):
        for layer in ("raw", "events"):
            table = Table(settings.lake_uri, f"{layer}/{topic}").open()
            dates = {file.rsplit("/", 2)[1] for file in table.file_uris()}
            assert len(table.file_uris()) <= 2 * len(dates)


def test_a_customer_is_forgotten(maintained, settings):
    assert maintained not in customers(settings)


def test_every_row_is_still_proved(maintained, broken_checks: Callable):
    assert broken_checks() == []


def test_an_old_run_is_purged_with_its_logs(maintained, api, ends, settings):
    logs = airflow.home_dir(settings) / "logs" / "dag_id=land_events"
    # The newest run of each type is kept.
    old, newest = (airflow_api.trigger(api, "land_events", {}) for _ in range(2))
    assert (ends("land_events", old), ends("land_events", newest)) == ("success", "success")
    make_old(settings, old, logs / f"run_id={old}")
    assert ends("purge_history", airflow_api.trigger(api, "purge_history", {})) == "success"
    assert not (logs / f"run_id={old}").exists()
    assert api.get(f"/dags/land_events/dagRuns/{old}").status_code == 404
    assert (logs / f"run_id={newest}").exists()
    assert api.get(f"/dags/land_events/dagRuns/{newest}").status_code == 200


def make_old(settings: Settings, run_id: str, logs: Path) -> None:
    """Let a run of land_events have ended, and its logs have been written, 40 days ago."""
    statement = (
        "UPDATE dag_run SET end_date = end_date - interval '40 days' "
        "WHERE dag_id = 'land_events' AND run_id = %s"
    )
    with (
        closing(psycopg2.connect(**airflow.database_login(settings))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, [run_id])
        assert cursor.rowcount == 1
    at = time.time() - 40 * 86_400
    for path in (logs, *logs.rglob("*")):
        os.utime(path, (at, at))


def customers(settings: Settings) -> set[str | None]:
    orders = tables.read(Table(settings.lake_uri, "events/orders").open(), ["customer_id"])
    return set(orders["customer_id"].to_pylist())


def clear_first_run(api: httpx.Client, dag_id: str) -> str:
    """Clear the first run of a DAG, which then runs again; returns its id."""
    first = get(api, f"/dags/{dag_id}/dagRuns?order_by=run_after")["dag_runs"][0]["dag_run_id"]
    api.post(f"/dags/{dag_id}/dagRuns/{first}/clear", json={"dry_run": False}).raise_for_status()
    return first


def start_backfill(api: httpx.Client, day: datetime) -> None:
    """Start the rebuild of one day."""
    request = {
        "dag_id": "rebuild_day",
        "from_date": day.isoformat(),
        "to_date": day.isoformat(),
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "run_backwards": False,
    }

    def is_started() -> bool:
        # An attempt that was answered with an error may have taken effect, or blocks the next for a moment.
        return api.post("/backfills", json=request).is_success or bool(
            get(api, "/backfills?dag_id=rebuild_day")["backfills"]
        )

    assert supervision.wait_until(is_started, MINUTE, interval=1)
