"""Airflow connections to the services of the cluster; `AIRFLOW_CONN_*` variables override them."""

import json
import os

from shopnow.cluster.settings import (
    NAMENODE,
    SECRETS_DIR,
    SLACK,
    SMTP,
    SPARK_MASTER,
    ClusterSettings,
    read_secret,
)
from shopnow.connections import Connection, local_defaults, variable_name
from shopnow.local_stack.kafka import SCRAM_MECHANISM
from shopnow.settings import Settings

SPARK_PORT = 7077


def lake(settings: Settings) -> str:
    """Return the URI of the lake on HDFS."""
    return f"hdfs://{NAMENODE}:{settings.ports['namenode']}/shopnow"


def kafka(cluster: ClusterSettings, settings: Settings, user: str) -> dict[str, str]:
    """Build the Kafka client configuration of a user of `kafka_users`."""
    return {
        "bootstrap.servers": ",".join(f"{host}:{settings.ports['kafka']}" for host in cluster.brokers),
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": SCRAM_MECHANISM,
        "sasl.username": user,
        "sasl.password": read_secret(f"kafka_{user}_password"),
        "ssl.ca.location": str(SECRETS_DIR / "kafka_authority"),
    }


def connections(
    cluster: ClusterSettings, settings: Settings, kafka_user: str | None
) -> dict[str, Connection]:
    """Build the connections by id: the local stack's with the addresses of the cluster.

    Args:
        kafka_user: user of `kafka_users`; None leaves out the connection to Kafka.
    """
    ports, defaults = settings.ports, local_defaults(settings)
    endpoints: dict[str, Connection] = {
        "webhdfs_default": {"host": NAMENODE, "extra": {"lake": lake(settings)}},
        "spark_default": {"host": f"spark://{SPARK_MASTER}", "port": SPARK_PORT},
        "smtp_default": {"host": SMTP},
        "slack_default": {"host": f"http://{SLACK}:{ports['slack']}/services"},
    }
    if kafka_user:
        endpoints["kafka_default"] = {"extra": kafka(cluster, settings, kafka_user)}
    return {id_: defaults[id_] | endpoint for id_, endpoint in endpoints.items()}


def variables(cluster: ClusterSettings, settings: Settings, kafka_user: str | None) -> dict[str, str]:
    """Build the environment variables of the connections; those that are set already keep their value."""
    all_connections = connections(cluster, settings, kafka_user)
    values = {variable_name(id_): json.dumps(connection) for id_, connection in all_connections.items()}
    return {name: os.environ.get(name) or value for name, value in values.items()}
