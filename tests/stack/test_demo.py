"""The full stack as `./shopnow demo` leaves it, and what it refuses."""

import os
import subprocess
import urllib.request
from contextlib import suppress

import httpx
import psutil
import pytest

from shopnow.local_stack import airflow_api, supervision
from shopnow.settings import ROOT
from support.full_stack import get


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


def test_every_dag_ran_through_the_scheduler(api):
    dags = airflow_api.list_dags(api)
    assert {dag["dag_id"] for dag in dags} >= {file.stem for file in (ROOT / "dags").glob("*.py")}
    assert not any(dag["is_paused"] for dag in dags)
    for dag_id in ("generate_traffic", "land_events", "compute_kpis", "watch_stock"):
        assert "success" in {run["state"] for run in get(api, f"/dags/{dag_id}/dagRuns")["dag_runs"]}, dag_id


def test_the_alert_is_one_grouped_mail_and_one_slack_message(demo, settings, mails):
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.ports['slack']}/messages") as response:
        slack = response.read().decode()
    # The report and the service monitor send mails as well.
    alerts = [mail for mail in mails("") if mail["X-ShopNow-Dedup-Key"]]
    keys = [mail["X-ShopNow-Dedup-Key"] for mail in alerts]
    assert keys
    assert len(keys) == len(set(keys))
    assert all(slack.count(key) >= 1 for key in keys)
    assert any("stock" in mail["Subject"].lower() for mail in alerts)


def test_invalid_params_are_rejected_by_the_form(api):
    for conf in ({"sessions": 0}, {"sessions": "many"}, {"malformed": 2}, {"scenario": "rush"}):
        with pytest.raises(httpx.HTTPStatusError) as error:
            airflow_api.trigger(api, "generate_traffic", conf)
        assert error.value.response.is_client_error, conf


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


def test_an_invalid_setting_and_a_port_in_use_are_one_line(demo, settings):
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
