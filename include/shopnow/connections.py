"""The one place that says where Kafka, HDFS, Spark, mail and Slack are.

Airflow is given each connection as `AIRFLOW_CONN_<ID>` in its environment; a variable of that name set in the
environment or in `.env` wins over the local default, so pointing ShopNow+ at real services is setting that variable.
The command line reads the very same connections.
"""

import json
import os
from typing import Any

from dotenv import dotenv_values

from shopnow.errors import UserError
from shopnow.settings import ROOT, Settings

Connection = dict[str, Any]
"""A connection as Airflow writes it in JSON: conn_type, host, port, login, password, schema, extra."""


def local_defaults(settings: Settings) -> dict[str, Connection]:
    """The connections to the services on this machine, by id."""
    ports = settings.ports
    return {
        "kafka_default": {"conn_type": "kafka", "extra": {"bootstrap.servers": settings.bootstrap_servers}},
        # One connection for HDFS: its WebHDFS address, and in the extra the lake's own (the NameNode's RPC address).
        "webhdfs_default": {
            "conn_type": "webhdfs",
            "host": "127.0.0.1",
            "port": ports["namenode_http"],
            "login": "shopnow",
            "extra": {"lake": settings.lake_uri},
        },
        "spark_default": {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client"}},
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
"""Connections that are there only if somebody gives them: with a Slack bot's token, alerts update their first message."""


def load(settings: Settings) -> dict[str, Connection]:
    """The connections in force, by id: those of the environment, then of `.env`, then the local ones.

    Raises:
        UserError: a variable does not hold a connection in JSON.
    """
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    in_force = {
        id_: _parse(variable_name(id_), given.get(variable_name(id_))) or default
        for id_, default in local_defaults(settings).items()
    }
    return in_force | {
        id_: chosen
        for id_ in OPTIONAL_IDS
        if (chosen := _parse(variable_name(id_), given.get(variable_name(id_))))
    }


def environment(settings: Settings) -> dict[str, str]:
    """The connections in force as environment variables; secrets are in them.

    Raises:
        UserError: a variable does not hold a connection in JSON.
    """
    return {variable_name(id_): json.dumps(value) for id_, value in load(settings).items()}


def variable_name(connection_id: str) -> str:
    """The environment variable Airflow reads the connection from."""
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def kafka_conf(connections: dict[str, Connection]) -> dict[str, Any]:
    """The Kafka client configuration."""
    return dict(connections["kafka_default"]["extra"])


def lake_uri(connections: dict[str, Connection]) -> str:
    """The lake's address, such as `hdfs://127.0.0.1:9820/shopnow`."""
    try:
        return connections["webhdfs_default"]["extra"]["lake"]
    except KeyError:
        raise UserError(
            'connection webhdfs_default has no lake: add "lake": "hdfs://namenode:port/path" to its extra'
        ) from None


def spark_is_local(connections: dict[str, Connection]) -> bool:
    """Whether Spark runs on this machine, in the driver's own process, and not on a cluster."""
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
