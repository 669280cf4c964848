"""Faults of Airflow and Kafka: nothing is lost or counted twice, and alerts and failures are reported."""

import os
import signal
import uuid
from datetime import UTC, datetime
from email import message_from_bytes

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from factories.stock_out import sell_out
from shopnow.audit import audit_log
from shopnow.lake.ingest import data_loss
from shopnow.local_stack import airflow_api, supervision

MINUTE = 60


def test_the_audit_is_recorded_and_triggers_watch_stock(api, ends, settings):
    since = datetime.now(UTC)
    run_id = airflow_api.trigger(api, "audit_lake", {})
    assert ends("audit_lake", run_id) == "success"
    audit = audit_log.latest(settings.lake_uri)
    assert audit.at >= since
    assert audit.broken == []

    def is_triggered() -> bool:
        return any(
            run["run_type"] == "asset_triggered" for run in airflow_api.list_runs(api, "watch_stock", since)
        )

    assert supervision.wait_until(is_triggered, MINUTE, interval=1)


def test_clearing_old_runs_changes_nothing(api, ends, versions):
    before = versions()
    for dag_id in ("land_events", "compute_kpis"):
        first = (
            api.get(f"/dags/{dag_id}/dagRuns", params={"order_by": "run_after"})
            .raise_for_status()
            .json()["dag_runs"][0]
        )
        cleared = api.post(f"/dags/{dag_id}/dagRuns/{first['dag_run_id']}/clear", json={"dry_run": False})
        cleared.raise_for_status()
        assert ends(dag_id, first["dag_run_id"]) == "success"
    assert versions() == before


def test_data_loss_stops_landing_until_it_is_acknowledged(api, ends, settings, as_json):
    api.patch("/dags/land_events", json={"is_paused": True}).raise_for_status()
    conf = {"bootstrap.servers": settings.bootstrap_servers}
    producer = Producer(conf)
    for number in range(6):
        producer.produce("views", f"not an event {number}", partition=0)
    assert producer.flush(30) == 0
    before = next(topic for topic in as_json("topics")["topics"] if topic["topic"] == "views")
    assert before["lag"] == 6
    admin = AdminClient(conf)
    end = (
        admin.list_offsets({TopicPartition("views", 0): OffsetSpec.latest()})[TopicPartition("views", 0)]
        .result()
        .offset
    )
    deleted = TopicPartition("views", 0, end - 2)
    admin.delete_records([deleted])[deleted].result()
    api.patch("/dags/land_events", json={"is_paused": False}).raise_for_status()

    assert ends("land_events", airflow_api.trigger(api, "land_events", {})) == "failed"
    approval = {"acknowledge_loss_of": "views", "reason": "a test deleted them"}
    assert ends("land_events", airflow_api.trigger(api, "land_events", approval)) == "success"
    [loss] = data_loss.read(settings.lake_uri)
    assert (loss.id, loss.missing_rows, loss.reason) == (
        f"views/0/{end - 6}-{end - 3}",
        4,
        approval["reason"],
    )
    assert loss.acknowledged_by.startswith("admin, ")
    assert as_json("verify")["ok"]


def test_a_kill_of_scheduler_and_triggerer_delays_an_alert_but_does_not_lose_it(
    api, shopnow, settings, as_json
):
    product = f"product-{uuid.uuid4().hex[:8]}"
    sell_out(settings.bootstrap_servers, product)
    run_id = airflow_api.trigger(api, "land_events", {})

    def running() -> bool:
        tasks = (
            api.get(f"/dags/land_events/dagRuns/{run_id}/taskInstances")
            .raise_for_status()
            .json()["task_instances"]
        )
        return any(task["state"] in {"running", "success"} for task in tasks)

    assert supervision.wait_until(running, MINUTE)
    pids = {service["name"]: service["pid"] for service in as_json("status")["services"]}
    for name in ("airflow-scheduler", "airflow-triggerer"):
        os.kill(pids[name], signal.SIGKILL)
    shopnow("up")

    def dedup_keys() -> list[str]:
        mails = [
            message_from_bytes(file.read_bytes())
            for file in (settings.data_dir / "smtp").rglob("*")
            if file.is_file()
        ]
        return [mail["X-ShopNow-Dedup-Key"] for mail in mails if product in mail.as_string()]

    assert supervision.wait_until(lambda: bool(dedup_keys()), 5 * MINUTE, interval=1)
    assert len(set(dedup_keys())) == 1
    assert as_json("verify")["ok"]
