"""Services of the cluster: the command, preparation and environment of each."""

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from shopnow.cluster import airflow, connections, postgres, redis, spark
from shopnow.cluster.secret_files import read_secret, secret_file
from shopnow.cluster.settings import ANY_ADDRESS, NAMENODE, ClusterSettings, hostname
from shopnow.errors import UserError
from shopnow.local_stack import airflow as local_airflow
from shopnow.local_stack import hdfs, kafka
from shopnow.settings import ROOT, Settings


class Container(NamedTuple):
    """Configuration of a container."""

    cluster: ClusterSettings
    settings: Settings
    java_home: Path


class Service(NamedTuple):
    command: Callable[[Container], list[str]]
    prepare: Callable[[Container], None] = lambda container: None
    """Runs in the container before the command."""
    environment: Callable[[Container], dict[str, str]] = lambda container: {}
    """Variables added to the container's environment."""


def _kafka_broker(container: Container) -> kafka.Broker:
    brokers = container.cluster.brokers
    if hostname() not in brokers:
        raise UserError(
            f"{hostname()} is not in SHOPNOW_KAFKA_HOSTS ({container.cluster.kafka_hosts}): "
            "append it there, for all containers"
        )
    security = kafka.Security(
        secret_file("kafka_certificate"),
        secret_file("kafka_authority"),
        read_secret(f"kafka_{kafka.SUPERUSER}_password"),
    )
    return kafka.local_broker(container.settings)._replace(
        hosts=brokers, id=brokers.index(hostname()) + 1, bind_host=ANY_ADDRESS, security=security
    )


def hdfs_node(container: Container) -> hdfs.Node:
    """Build the HDFS configuration of a NameNode or DataNode in this container."""
    return hdfs.local_node(container.settings)._replace(
        namenode_host=NAMENODE,
        host=hostname(),
        bind_host=ANY_ADDRESS,
        replication=container.cluster.hdfs_replicas,
    )


def _prepare_namenode(container: Container) -> None:
    hdfs.configure(hdfs_node(container))
    hdfs.format_namenode(hdfs_node(container), container.java_home)


def _test_server(module: str, port: str) -> Service:
    def command(container: Container) -> list[str]:
        address = ["--host", ANY_ADDRESS, "--port", str(container.settings.ports[port])]
        directory = ["--directory", str(container.settings.data_dir / port)]
        return [sys.executable, "-m", f"shopnow.local_stack.{module}", *address, *directory]

    return Service(command)


def _spark_service(command: Callable[[Container], list[str]]) -> Service:
    return Service(
        command,
        lambda container: spark.prepare(container.cluster, container.settings),
        lambda container: spark.environment(container.cluster, container.settings, container.java_home),
    )


def _airflow_service(
    *words: str,
    secrets: Collection[str],
    kafka_user: str | None = None,
    prepare: Callable[[Container], None] = lambda container: None,
) -> Service:
    return Service(
        lambda container: local_airflow.command(*words),
        prepare,
        lambda container: airflow.environment(*container, secrets, kafka_user),
    )


def prometheus_command(settings: Settings) -> list[str]:
    """Return the command line of Prometheus."""
    options = {
        "config.file": ROOT / "monitoring" / "prometheus" / "prometheus.yml",
        "storage.tsdb.path": settings.data_dir / "prometheus",
        # Data is deleted at whichever limit is reached first.
        "storage.tsdb.retention.time": "15d",
        "storage.tsdb.retention.size": "256MB",
        "web.listen-address": f"{ANY_ADDRESS}:9090",
    }
    return ["prometheus", *(f"--{name}={value}" for name, value in options.items())]


SERVICES: dict[str, Service] = {
    "kafka": Service(
        lambda container: kafka.broker_command(_kafka_broker(container), container.java_home),
        lambda container: kafka.prepare(_kafka_broker(container), container.java_home),
    ),
    "namenode": Service(
        lambda container: hdfs.namenode_command(hdfs_node(container), container.java_home), _prepare_namenode
    ),
    "datanode": Service(
        lambda container: hdfs.datanode_command(hdfs_node(container), container.java_home),
        lambda container: hdfs.configure(hdfs_node(container)),
    ),
    "spark-master": _spark_service(lambda container: spark.master()),
    "spark-worker": _spark_service(lambda container: spark.worker(container.cluster, container.settings)),
    "spark-history": _spark_service(lambda container: spark.history()),
    "postgres": Service(
        lambda container: postgres.command(container.settings),
        lambda container: postgres.prepare(container.settings),
    ),
    "redis": Service(lambda container: redis.command(), lambda container: redis.prepare(container.settings)),
    "smtp": _test_server("mail_server", "smtp"),
    "slack": _test_server("webhook_server", "slack"),
    "setup": Service(
        lambda container: [sys.executable, "-m", "shopnow.cluster.setup"],
        environment=lambda container: airflow.environment(*container, ["database_password"], kafka.SUPERUSER),
    ),
    "airflow-api-server": _airflow_service(
        "api-server",
        # Signs logins and the tokens of tasks, and answers their requests for connections.
        secrets=["database_password", "fernet_key", "api_secret_key", "jwt_secret"],
        kafka_user="tab",
        prepare=lambda container: airflow.write_passwords(),
    ),
    "airflow-scheduler": _airflow_service(
        "scheduler",
        "--skip-serve-logs",
        # Signs the token of each task that it queues, and encrypts the triggers of tasks that start deferred.
        secrets=["database_password", "redis_password", "fernet_key", "jwt_secret"],
    ),
    # Encrypts the triggers of asset watchers.
    "airflow-dag-processor": _airflow_service("dag-processor", secrets=["database_password", "fernet_key"]),
    "airflow-triggerer": _airflow_service(
        "triggerer",
        # The log server would need the key of the API server, which reads the logs from their volume.
        "--skip-serve-logs",
        secrets=["database_password", "fernet_key"],
        kafka_user="triggers",
    ),
    "airflow-worker": _airflow_service(
        "celery",
        "worker",
        "--skip-serve-logs",
        # A task comes with its own token, and reaches the database only through the API server.
        secrets=["redis_password"],
        kafka_user="pipeline",
        prepare=lambda container: spark.prepare(container.cluster, container.settings),
    ),
    "service-monitor": Service(
        lambda container: [sys.executable, "-m", "shopnow.cluster.service_monitor"],
        environment=lambda container: connections.notification_variables(
            container.cluster, container.settings
        ),
    ),
    "metrics": Service(
        lambda container: [sys.executable, "-m", "shopnow.cluster.exporter", ANY_ADDRESS, "9100"],
        environment=lambda container: connections.variables(container.cluster, container.settings, "metrics"),
    ),
    "prometheus": Service(lambda container: prometheus_command(container.settings)),
}
