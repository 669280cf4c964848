"""The services of this machine: how each is started, and its readiness check."""

import json
import os
import smtplib
import sys
import urllib.request
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg2
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shopnow import connections
from shopnow.local_stack import (
    airflow,
    base_environment,
    direct_notify,
    hdfs,
    incidents,
    kafka,
    postgres,
    sail,
)
from shopnow.settings import Settings, variable_name

Probe = Callable[[Settings], bool]


class Service(NamedTuple):
    """A process of the local stack."""

    name: str
    ports: tuple[str, ...]
    """Names of the ports it listens on, as in `Settings.ports`."""
    command: Callable[[Settings, Path], list[str]]
    """Builds its command line from the settings and the Java home."""
    probe: Probe
    """Returns whether it answers; may raise the errors of a refused connection."""
    environment: Callable[[Settings, Path], dict[str, str]] = lambda settings, java: {}
    """Builds its environment beyond `base_environment.minimal`."""
    stop_signal: str = "TERM"


def _is_kafka_ready(settings: Settings) -> bool:
    admin = AdminClient(
        {"bootstrap.servers": settings.bootstrap_servers, "log_level": 0, "socket.timeout.ms": 2000}
    )
    return bool(admin.list_topics(timeout=2).brokers)


def namenode_info(settings: Settings) -> dict:
    """Return the NameNode's JMX bean NameNodeInfo.

    By JMX over HTTP: neither WebHDFS nor the RPC client shows safe mode and the heartbeats of DataNodes.
    """
    port = settings.ports["namenode_http"]
    return json.loads(
        _http_get(f"http://127.0.0.1:{port}/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")
    )["beans"][0]


def _is_namenode_ready(settings: Settings) -> bool:
    return "Safemode" in namenode_info(settings)


def _datanode_probe(port_name: str) -> Probe:
    def probe(settings: Settings) -> bool:
        info, port = namenode_info(settings), settings.ports[port_name]
        live_nodes = {
            node["infoAddr"] for node in json.loads(info["LiveNodes"]).values() if node["lastContact"] < 10
        }
        return (
            not info["Safemode"]
            and f"127.0.0.1:{port}" in live_nodes
            and bool(_http_get(f"http://127.0.0.1:{port}/jmx?qry=none"))
        )

    return probe


def _is_postgres_ready(settings: Settings) -> bool:
    psycopg2.connect(**airflow.database_login(settings), connect_timeout=2).close()
    return True


def _airflow_probe(component: str) -> Probe:
    def probe(settings: Settings) -> bool:
        health = json.loads(_http_get(f"{airflow.url(settings)}/api/v2/monitor/health"))
        return health[component]["status"] == "healthy"

    return probe


def _is_smtp_ready(settings: Settings) -> bool:
    with smtplib.SMTP("127.0.0.1", settings.ports["smtp"], timeout=2) as client:
        return client.noop()[0] == 250


def _is_slack_ready(settings: Settings) -> bool:
    _http_get(f"http://127.0.0.1:{settings.ports['slack']}/messages")
    return True


def _is_watchdog_ready(settings: Settings) -> bool:
    _, checked_at = incidents.load(settings)
    return checked_at is not None and datetime.now(UTC) - checked_at < timedelta(minutes=1)


def _watchdog_environment(settings: Settings, java: Path) -> dict[str, str]:
    ids = [id_ for id_, _ in direct_notify.CHANNELS.values()]
    return {
        **base_environment.proxies(),
        **_setting_variables(settings),
        **connections.environment(settings, ids),
    }


def _airflow_environment(
    *connection_ids: str, keys: Collection[str] = ("fernet_key",)
) -> Callable[[Settings, Path], dict[str, str]]:
    """Return a function that builds an Airflow component's environment, with the user's own variables.

    Args:
        connection_ids: connections that the component uses; all if there are none.
        keys: Airflow's keys that it uses; by default the one that encrypts the arguments of triggers.
    """

    def environment(settings: Settings, java: Path) -> dict[str, str]:
        connection_variables = {
            connections.variable_name(id_)
            for id_ in (*connections.local_defaults(settings), *connections.OPTIONAL_IDS)
        }
        users_own = {name: value for name, value in os.environ.items() if name not in connection_variables}
        return {
            **users_own,
            **_setting_variables(settings),
            **airflow.environment(settings, java, connection_ids or None, keys),
        }

    return environment


def _setting_variables(settings: Settings) -> dict[str, str]:
    """Return this stack's explicit settings: the port offset does not apply to a port that is set."""
    explicit = settings.model_dump(exclude_unset=True, exclude_none=True)
    return {variable_name(name): str(value) for name, value in explicit.items()}


def _http_get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310  (always http to this machine)
        return response.read().decode()


def _airflow_command(*arguments: str) -> Callable[[Settings, Path], list[str]]:
    return lambda settings, java: airflow.command(*arguments)


def _test_server_command(module: str, port: str) -> Callable[[Settings, Path], list[str]]:
    def command(settings: Settings, java: Path) -> list[str]:
        directory = settings.data_dir / port
        return [
            sys.executable,
            "-m",
            f"shopnow.local_stack.{module}",
            "--port",
            str(settings.ports[port]),
            "--directory",
            str(directory),
        ]

    return command


SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Service(
            "kafka",
            ("kafka", "kafka_controller"),
            lambda settings, java: kafka.broker_command(kafka.local_broker(settings), java),
            _is_kafka_ready,
        ),
        Service(
            "namenode",
            ("namenode", "namenode_http"),
            lambda settings, java: hdfs.namenode_command(hdfs.local_node(settings), java),
            _is_namenode_ready,
        ),
        Service(
            "datanode",
            ("datanode", "datanode_http", "datanode_ipc"),
            lambda settings, java: hdfs.datanode_command(hdfs.local_node(settings), java),
            _datanode_probe("datanode_http"),
        ),
        Service(
            "datanode-2",
            ("datanode_2", "datanode_2_http", "datanode_2_ipc"),
            lambda settings, java: hdfs.datanode_command(hdfs.second_local_node(settings), java),
            _datanode_probe("datanode_2_http"),
        ),
        Service("smtp", ("smtp",), _test_server_command("mail_server", "smtp"), _is_smtp_ready),
        Service("slack", ("slack",), _test_server_command("webhook_server", "slack"), _is_slack_ready),
        Service(
            "postgres",
            ("postgres",),
            lambda settings, java: postgres.command(postgres.local_server(settings)),
            _is_postgres_ready,
            # Closes open connections, for which SIGTERM would wait.
            stop_signal="INT",
        ),
        Service(
            "sail",
            ("sail",),
            lambda settings, java: sail.command(settings),
            lambda settings: sail.answers(f"sc://127.0.0.1:{settings.ports['sail']}"),
            lambda settings, java: sail.environment(settings),
        ),
        Service(
            "airflow-api-server",
            ("airflow",),
            _airflow_command("api-server"),
            _airflow_probe("metadatabase"),
            # The tab reads Kafka and the lake.
            _airflow_environment("kafka_default", "webhdfs_default", keys=airflow.KEY_OPTIONS),
        ),
        Service(
            "airflow-scheduler",
            (),
            _airflow_command("scheduler", "--skip-serve-logs"),
            _airflow_probe("scheduler"),
            # Tasks run in its processes, each with a token that it signs.
            _airflow_environment(keys=("fernet_key", "jwt_secret")),
        ),
        Service(
            "airflow-dag-processor",
            (),
            _airflow_command("dag-processor"),
            _airflow_probe("dag_processor"),
            _airflow_environment("kafka_default", "webhdfs_default"),
        ),
        Service(
            "airflow-triggerer",
            (),
            _airflow_command("triggerer", "--skip-serve-logs"),
            _airflow_probe("triggerer"),
            # Triggers read Kafka and the lake.
            _airflow_environment("kafka_default", "webhdfs_default"),
        ),
        Service(
            "watchdog",
            (),
            lambda settings, java: [sys.executable, "-m", "shopnow.local_stack.service_monitor"],
            _is_watchdog_ready,
            _watchdog_environment,
        ),
    )
}


HDFS_SERVICES = ("namenode", "datanode", "datanode-2")
"""The services of HDFS, in the order in which they start."""
STORAGE_SERVICES = ("kafka", *HDFS_SERVICES)
"""The services that hold data."""


def is_ready(service: Service, settings: Settings) -> bool:
    """Return whether the service passes its readiness check now."""
    try:
        return service.probe(settings)
    except (OSError, KafkaException, psycopg2.Error, KeyError, ValueError, IndexError):
        return False
