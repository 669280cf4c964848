"""Airflow connections to the services of the cluster; `AIRFLOW_CONN_*` variables override them."""

import json
import os
from collections.abc import Mapping

from shopnow.cluster import kafka_client
from shopnow.cluster.settings import NAMENODE, SLACK, SMTP, SPARK_MASTER, ClusterSettings
from shopnow.connections import Connection, local_defaults, variable_name
from shopnow.local_stack import direct_notify
from shopnow.settings import Settings

SPARK_PORT = 7077


def lake(settings: Settings) -> str:
    """Return the URI of the lake on HDFS."""
    return f"hdfs://{NAMENODE}:{settings.ports['namenode']}/shopnow"


def kafka(cluster: ClusterSettings, settings: Settings, user: str) -> dict[str, str]:
    """Build the Kafka client configuration of a user of `kafka_users`."""
    return {
        "bootstrap.servers": ",".join(f"{host}:{settings.ports['kafka']}" for host in cluster.brokers),
        **kafka_client.login(user),
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
    return _variables(connections(cluster, settings, kafka_user))


def notification_variables(cluster: ClusterSettings, settings: Settings) -> dict[str, str]:
    """Build the environment variables of the connections for mail and Slack only."""
    ids = {id_ for id_, _ in direct_notify.CHANNELS.values()}
    all_connections = connections(cluster, settings, None)
    return _variables({id_: all_connections[id_] for id_ in ids})


def _variables(all_connections: Mapping[str, Connection]) -> dict[str, str]:
    values = {variable_name(id_): json.dumps(connection) for id_, connection in all_connections.items()}
    return {name: os.environ.get(name) or value for name, value in values.items()}
