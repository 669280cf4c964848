"""The full stack as a user runs it: `./shopnow …`, and every DAG through Airflow's scheduler."""

import os
import signal
import subprocess
import urllib.request
from contextlib import suppress
from email import message_from_bytes

import httpx
import psutil
import pytest
from confluent_kafka import Producer

from shopnow.local_stack import airflow_api, supervision
from shopnow.settings import ROOT

SERVICE_COUNT = 11
MINUTE = 60


def test_demo_prints_figures_checks_and_endpoints(demo, settings):
    for text in (
        "Events",
        "net_revenue",
        "Top products",
        "Alerts sent",
        "the figures are",
        "holds",
        f"127.0.0.1:{settings.ports['airflow']}",
    ):
        assert text in demo
    assert "BROKEN" not in demo


def test_every_dag_ran_through_the_scheduler(demo, settings):
    with airflow_api.connect(settings) as api:
        assert {dag["dag_id"] for dag in airflow_api.list_dags(api)} >= {
            "approve_restock",
            "compute_kpis",
            "generate_traffic",
            "land_events",
            "watch_stock",
        }
        assert not any(dag["is_paused"] for dag in airflow_api.list_dags(api))
        for dag_id in ("generate_traffic", "land_events", "compute_kpis", "watch_stock"):
            states = {
                run["state"]
                for run in api.get(f"/dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"]
            }
            assert "success" in states, dag_id


def test_json_of_status_topics_and_verify(demo, as_json):
    status = as_json("status")
    assert [service["state"] for service in status["services"]] == ["running"] * SERVICE_COUNT
    assert all(service["pid"] for service in status["services"])
    topics = as_json("topics")["topics"]
    assert {topic["topic"] for topic in topics} == {
        "views",
        "carts",
        "orders",
        "payments",
        "deliveries",
        "stock",
    }
    assert all(topic["records"] > 0 and topic["lag"] == 0 for topic in topics)
    verify = as_json("verify")
    assert verify["ok"]
    assert len(verify["checks"]) == 6
    ledger = as_json("ledger")
    assert ledger["runs"][0]["finished"]
    assert ledger["total"]["orders"] > 0


def test_the_alert_is_one_grouped_mail_and_one_slack_message(demo, settings):
    mails = [
        message_from_bytes(file.read_bytes())
        for file in (settings.data_dir / "smtp").rglob("*")
        if file.is_file()
    ]
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.ports['slack']}/messages") as response:
        slack = response.read().decode()
    # The report and the service monitor send mails as well.
    mails = [mail for mail in mails if mail["X-ShopNow-Dedup-Key"]]
    keys = [mail["X-ShopNow-Dedup-Key"] for mail in mails]
    assert keys
    assert len(keys) == len(set(keys))
    assert all(slack.count(key) >= 1 for key in keys)
    assert any("stock" in mail["Subject"].lower() for mail in mails)


def test_invalid_records_are_landed_and_do_not_stop_landing(demo, settings, as_json):
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers})
    for value in (b"{", b"", None, b'{"event_type": "order_placed"}', b"\xff\xfe"):
        producer.produce("orders", value, key=b"poison")
    assert producer.flush(30) == 0
    with airflow_api.connect(settings) as api:
        run_id = airflow_api.trigger(api, "land_events", {})

        def has_ended() -> bool:
            return api.get(f"/dags/land_events/dagRuns/{run_id}").raise_for_status().json()["state"] in {
                "success",
                "failed",
            }

        assert supervision.wait_until(has_ended, 5 * MINUTE, interval=1)
        assert api.get(f"/dags/land_events/dagRuns/{run_id}").json()["state"] == "success"
    assert as_json("verify")["ok"]


def test_invalid_params_are_rejected_by_the_form(demo, settings):
    with airflow_api.connect(settings) as api:
        for conf in ({"sessions": 0}, {"sessions": "many"}, {"malformed": 2}, {"scenario": "rush"}):
            with pytest.raises(httpx.HTTPStatusError) as error:
                airflow_api.trigger(api, "generate_traffic", conf)
            assert error.value.response.is_client_error, conf


def test_a_dead_service_is_reported_and_restarted(demo, shopnow, as_json):
    before = {service["name"]: service for service in as_json("status")["services"]}
    os.kill(before["datanode"]["pid"], signal.SIGKILL)

    def states() -> dict[str, str]:
        return {service["name"]: service["state"] for service in as_json("status")["services"]}

    assert supervision.wait_until(lambda: states()["datanode"] == "dead", MINUTE)
    assert "datanode" in shopnow("status").stdout
    shopnow("up")
    assert states()["datanode"] == "running"
    assert as_json("verify")["ok"]


def test_all_services_listen_on_the_loopback_interface_only(demo, settings):
    listening = []
    for process in supervision.list_stack_processes(settings):
        with suppress(psutil.NoSuchProcess):  # task processes end at any time
            listening += [
                connection.laddr
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            ]
    assert len(listening) >= len(settings.ports)
    assert {address.ip for address in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_an_invalid_setting_and_a_port_in_use_are_one_line(demo, shopnow, settings, monkeypatch):
    invalid = {**os.environ, "SHOPNOW_KAFKA_PORT": "many"}
    process = subprocess.run(
        [ROOT / "shopnow", "status"], env=invalid, capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert len(process.stderr.strip().splitlines()) == 1
    assert "SHOPNOW_KAFKA_PORT" in process.stderr
    port_in_use = {
        **os.environ,
        "SHOPNOW_DATA_DIR": str(settings.data_dir.parent / "other"),
        "SHOPNOW_SMTP_PORT": str(settings.ports["smtp"]),
    }
    process = subprocess.run(
        [ROOT / "shopnow", "up", "smtp"], env=port_in_use, capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert str(settings.ports["smtp"]) in process.stderr.strip().splitlines()[-1]


def test_down_leaves_no_process_and_keeps_the_data(demo, shopnow, settings, as_json):
    [scheduler] = [
        psutil.Process(service["pid"])
        for service in as_json("status")["services"]
        if service["name"] == "airflow-scheduler"
    ]
    workers = scheduler.children(recursive=True)
    scheduler.kill()
    shopnow("down")
    assert supervision.list_stack_processes(settings) == []
    assert workers
    assert not [
        worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    ]
    assert {service["state"] for service in as_json("status")["services"]} == {"stopped"}
    shopnow("down")
    for verb in ("topics", "verify"):
        failed = shopnow(verb, check=False)
        assert failed.returncode == 1
        assert len(failed.stderr.strip().splitlines()) == 1
    shopnow("up", "kafka", "namenode", "datanode")
    assert as_json("verify")["ok"]
