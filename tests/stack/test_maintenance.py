"""Maintenance of the lake through Airflow; `verify` succeeds after each operation."""

from datetime import UTC, datetime, timedelta

import httpx

from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.local_stack import airflow_api, supervision

MINUTE = 60


def test_a_backfill_of_yesterday_finds_the_same_digest(api, versions, settled):
    before = settled()
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    backfill = {
        "dag_id": "rebuild_day",
        "from_date": day.isoformat(),
        "to_date": day.isoformat(),
        "reprocess_behavior": "completed",
    }
    request = {**backfill, "max_active_runs": 1, "run_backwards": False}
    response = airflow_api.retry_server_errors(lambda: api.post("/backfills", json=request))
    # A conflict means that an attempt answered with an error created the backfill after all.
    assert response.status_code in {httpx.codes.OK, httpx.codes.CONFLICT}

    def runs() -> list[dict]:
        return [
            run for run in airflow_api.list_runs(api, "rebuild_day", day) if run["run_type"] == "backfill"
        ]

    assert supervision.wait_until(
        lambda: any(run["state"] in {"success", "failed"} for run in runs()), 5 * MINUTE, interval=1
    )
    [run] = runs()
    assert run["state"] == "success"
    assert run["logical_date"].startswith(str(day.date()))
    tasks = (
        api.get(f"/dags/rebuild_day/dagRuns/{run['dag_run_id']}/taskInstances")
        .raise_for_status()
        .json()["task_instances"]
    )
    assert {task["task_id"]: task["state"] for task in tasks} == {"landed": "success", "rebuild": "success"}
    assert versions() == before


def test_compaction_leaves_few_files_and_every_row(api, ends, settings, as_json):
    tomorrow = str((datetime.now(UTC) + timedelta(days=1)).date())
    assert ends("compact_lake", airflow_api.trigger(api, "compact_lake", {"before": tomorrow})) == "success"
    for topic in ("orders", "stock"):
        for layer in ("raw", "events"):
            table = Table(settings.lake_uri, f"{layer}/{topic}").open()
            dates = {file.rsplit("/", 2)[1] for file in table.file_uris()}
            assert len(table.file_uris()) <= 2 * len(dates)
    assert as_json("verify")["ok"]


def test_a_customer_is_forgotten_and_verify_succeeds(api, ends, settings, as_json):
    def customers() -> set[str]:
        return set(
            tables.read(Table(settings.lake_uri, "events/orders").open(), ["customer_id"])[
                "customer_id"
            ].to_pylist()
        )

    customer = min(customers() - {None})
    unconfirmed = airflow_api.trigger(
        api, "forget_customer", {"customer_id": customer, "confirm": "someone else"}
    )
    assert ends("forget_customer", unconfirmed) == "failed"
    assert customer in customers()
    confirmed = airflow_api.trigger(api, "forget_customer", {"customer_id": customer, "confirm": customer})
    assert ends("forget_customer", confirmed) == "success"
    assert customer not in customers()
    assert as_json("verify")["ok"]
