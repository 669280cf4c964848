"""Connections to Kafka, HDFS, Spark, mail and Slack, in Airflow's JSON form.

Airflow receives each connection as `AIRFLOW_CONN_<ID>` in its environment. A variable of that name in the
environment or in `.env` overrides the local default; setting it points ShopNow+ at another service. The CLI
uses the same connections.
"""

import json
import os
from collections.abc import Collection
from typing import Any

from dotenv import dotenv_values

from shopnow.errors import UserError
from shopnow.settings import ROOT, Settings

Connection = dict[str, Any]
"""A connection in Airflow's JSON form: conn_type, host, port, login, password, schema, extra."""


def local_defaults(settings: Settings) -> dict[str, Connection]:
    """Return the connections to the local stack, by id."""
    ports = settings.ports
    return {
        "kafka_default": {"conn_type": "kafka", "extra": {"bootstrap.servers": settings.bootstrap_servers}},
        # One connection for both HDFS addresses: WebHDFS in host and port, the lake's URI (RPC) in the extra.
        "webhdfs_default": {
            "conn_type": "webhdfs",
            "host": "127.0.0.1",
            "port": ports["namenode_http"],
            "login": "shopnow",
            "extra": {"lake": settings.lake_uri},
        },
        "spark_default": {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client"}},
        # Spark's listener of OpenLineage is one of spark-submit.
        "spark_connect_default": {
            "conn_type": "spark_connect",
            "host": "" if settings.openlineage else "127.0.0.1",
            "port": ports["sail"],
        },
        "smtp_default": {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": ports["smtp"],
            "extra": {
                "from_email": "shopnow@localhost",
                "disable_ssl": True,
                "disable_tls": True,
                "to_email": "operations@localhost",
                "timeout": 10,
            },
        },
        "slack_default": {
            "conn_type": "slackwebhook",
            "host": f"http://127.0.0.1:{ports['slack']}/services",
            "password": "T0LOCAL/B0LOCAL/local",
            "extra": {"timeout": 10},
        },
    }


OPTIONAL_IDS = ("slack_api_default",)
"""Connections without a default: with a Slack bot's token, alerts update their first message."""


METADATA_ID = "airflow_db"
"""The connection to Airflow's metadata database, which only the processes that run tasks have."""


def metadata_database(host: str, port: int, name: str, role: str, password: str) -> dict[str, str]:
    """Return the connection to Airflow's metadata database, of this name, as an environment variable."""
    connection = {
        "conn_type": "postgres",
        "host": host,
        "port": port,
        "login": role,
        "password": password,
        "schema": name,
    }
    return {variable_name(METADATA_ID): json.dumps(connection)}


def load(settings: Settings) -> dict[str, Connection]:
    """Return the effective connections by id.

    The environment takes precedence over `.env`, and that over the local defaults.

    Raises:
        UserError: a variable does not hold a connection in JSON.
    """
    variables = {**dotenv_values(ROOT / ".env"), **os.environ}
    effective = {
        id_: _parse(variable_name(id_), variables.get(variable_name(id_))) or default
        for id_, default in local_defaults(settings).items()
    }
    for id_ in OPTIONAL_IDS:
        if connection := _parse(variable_name(id_), variables.get(variable_name(id_))):
            effective[id_] = connection
    return effective


def environment(settings: Settings, ids: Collection[str] | None = None) -> dict[str, str]:
    """Return the effective connections as environment variables, including their secrets.

    Args:
        ids: connections to return; all by default.

    Raises:
        UserError: a variable does not hold a connection in JSON.
    """
    effective = load(settings)
    return {
        variable_name(id_): json.dumps(value) for id_, value in effective.items() if ids is None or id_ in ids
    }


def variable_name(connection_id: str) -> str:
    """Return the environment variable from which Airflow reads the connection."""
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def kafka_conf(connections: dict[str, Connection]) -> dict[str, Any]:
    """Return the Kafka client configuration."""
    return dict(connections["kafka_default"]["extra"])


def lake_uri(connections: dict[str, Connection]) -> str:
    """Return the lake's URI, such as `hdfs://127.0.0.1:9820/shopnow`.

    Raises:
        UserError: the connection has no lake.
    """
    try:
        return connections["webhdfs_default"]["extra"]["lake"]
    except KeyError:
        raise UserError(
            'connection webhdfs_default has no lake: add "lake": "hdfs://namenode:port/path" to its extra'
        ) from None


def spark_is_local(connections: dict[str, Connection]) -> bool:
    """Return whether Spark runs in local mode, in the driver's process, rather than on a cluster."""
    return (connections["spark_default"].get("host") or "").partition("[")[0] == "local"


def _parse(name: str, text: str | None) -> Connection | None:
    if not text:
        return None
    try:
        connection = json.loads(text)
        if isinstance(connection.get("extra"), str):
            connection["extra"] = json.loads(connection["extra"])
        return {"extra": {}, **connection}
    except (ValueError, AttributeError):
        raise UserError(
            f'{name} is not a connection in JSON, such as {{"conn_type": "kafka", "extra": {{…}}}}'
        ) from None
