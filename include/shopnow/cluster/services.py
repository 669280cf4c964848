"""The services of the cluster: how a container becomes each of them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from shopnow.cluster import airflow, connections, postgres, prometheus, redis, setup, spark
from shopnow.cluster.settings import EVERYWHERE, NAMENODE, SECRETS, Cluster, host, secret
from shopnow.errors import UserError
from shopnow.local_stack import airflow as local_airflow
from shopnow.local_stack import hdfs, kafka
from shopnow.settings import Settings


class Container(NamedTuple):
    """What a container is told, and its Java home."""

    cluster: Cluster
    settings: Settings
    java: Path


class Service(NamedTuple):
    command: Callable[[Container], list[str]]
    prepare: Callable[[Container], None] = lambda it: None
    """What has to be done in the container before it starts."""
    environment: Callable[[Container], dict[str, str]] = lambda it: {}


def _broker(it: Container) -> kafka.Broker:
    brokers = it.cluster.brokers
    if host() not in brokers:
        raise UserError(
            f"{host()} is not in SHOPNOW_KAFKA_HOSTS ({it.cluster.kafka_hosts}): add it there, at the end, for all containers"
        )
    security = kafka.Security(
        SECRETS / "kafka_certificate",
        SECRETS / "kafka_authority",
        secret(f"kafka_{kafka.SUPERUSER}_password"),
    )
    return kafka.local(it.settings)._replace(
        hosts=brokers, id=brokers.index(host()) + 1, bind=EVERYWHERE, security=security
    )


def node(it: Container) -> hdfs.Node:
    """The NameNode or DataNode that the container is, or would be."""
    return hdfs.local(it.settings)._replace(
        namenode=NAMENODE, host=host(), bind=EVERYWHERE, replicas=it.cluster.hdfs_replicas
    )


def _prepare_namenode(it: Container) -> None:
    hdfs.configure(node(it))
    hdfs.format_namenode(node(it), it.java)


def _sink(module: str, port: str) -> Service:
    def command(it: Container) -> list[str]:
        place = [
            "--host",
            EVERYWHERE,
            "--port",
            str(it.settings.ports[port]),
            "--directory",
            str(it.settings.data_dir / port),
        ]
        return [sys.executable, "-m", f"shopnow.local_stack.{module}", *place]

    return Service(command)


def _spark(command: Callable[[Container], list[str]]) -> Service:
    return Service(
        command,
        lambda it: spark.prepare(it.cluster, it.settings),
        lambda it: spark.environment(it.cluster, it.settings, it.java),
    )


def _airflow(
    *words: str, kafka_user: str | None = None, prepare: Callable[[Container], None] = lambda it: None
) -> Service:
    return Service(
        lambda it: local_airflow.command(*words),
        prepare,
        lambda it: airflow.environment(it.cluster, it.settings, it.java, kafka_user),
    )


SERVICES: dict[str, Service] = {
    "kafka": Service(
        lambda it: kafka.command(_broker(it), it.java), lambda it: kafka.prepare(_broker(it), it.java)
    ),
    "namenode": Service(lambda it: hdfs.namenode(node(it), it.java), _prepare_namenode),
    "datanode": Service(lambda it: hdfs.datanode(node(it), it.java), lambda it: hdfs.configure(node(it))),
    "spark-master": _spark(lambda it: spark.master()),
    "spark-worker": _spark(lambda it: spark.worker(it.cluster, it.settings)),
    "spark-history": _spark(lambda it: spark.history()),
    "postgres": Service(lambda it: postgres.command(it.settings), lambda it: postgres.prepare(it.settings)),
    "redis": Service(lambda it: redis.command(), lambda it: redis.prepare(it.settings)),
    "smtp": _sink("mail_server", "smtp"),
    "slack": _sink("webhook_server", "slack"),
    "setup": Service(lambda it: ["true"], lambda it: setup.prepare(it.cluster, it.settings, it.java)),
    "airflow-api-server": _airflow(
        "api-server", kafka_user="tab", prepare=lambda it: airflow.write_passwords()
    ),
    "airflow-scheduler": _airflow("scheduler", "--skip-serve-logs"),
    "airflow-dag-processor": _airflow("dag-processor"),
    "airflow-triggerer": _airflow("triggerer", kafka_user="triggers"),
    "airflow-worker": _airflow(
        "celery", "worker", kafka_user="pipeline", prepare=lambda it: spark.prepare(it.cluster, it.settings)
    ),
    "metrics": Service(
        lambda it: [sys.executable, "-m", "shopnow.cluster.exporter", EVERYWHERE, "9100"],
        environment=lambda it: connections.variables(it.cluster, it.settings, "metrics"),
    ),
    "prometheus": Service(lambda it: prometheus.command(it.settings)),
}
