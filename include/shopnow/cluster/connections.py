"""Airflow's connections to the services of the cluster; a variable of the environment wins over each."""

import json
import os

from shopnow.cluster.settings import NAMENODE, SECRETS, SLACK, SMTP, SPARK_MASTER, Cluster, secret
from shopnow.connections import Connection, local, variable
from shopnow.local_stack.kafka import SCRAM
from shopnow.settings import Settings

SPARK_PORT = 7077


def lake(settings: Settings) -> str:
    return f"hdfs://{NAMENODE}:{settings.ports['namenode']}/shopnow"


def kafka(cluster: Cluster, settings: Settings, user: str) -> dict[str, str]:
    """The configuration of a Kafka client, for a user of `kafka_users`."""
    return {
        "bootstrap.servers": ",".join(f"{host}:{settings.ports['kafka']}" for host in cluster.brokers),
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": SCRAM,
        "sasl.username": user,
        "sasl.password": secret(f"kafka_{user}_password"),
        "ssl.ca.location": str(SECRETS / "kafka_authority"),
    }


def connections(cluster: Cluster, settings: Settings, kafka_user: str | None) -> dict[str, Connection]:
    """The connections by id: those to the services of one machine, at other addresses; to Kafka only for a user of it."""
    ports, here = settings.ports, local(settings)
    return {
        **(
            {"kafka_default": here["kafka_default"] | {"extra": kafka(cluster, settings, kafka_user)}}
            if kafka_user
            else {}
        ),
        "webhdfs_default": here["webhdfs_default"] | {"host": NAMENODE, "extra": {"lake": lake(settings)}},
        "spark_default": here["spark_default"] | {"host": f"spark://{SPARK_MASTER}", "port": SPARK_PORT},
        "smtp_default": here["smtp_default"] | {"host": SMTP},
        "slack_default": here["slack_default"] | {"host": f"http://{SLACK}:{ports['slack']}/services"},
    }


def variables(cluster: Cluster, settings: Settings, kafka_user: str | None) -> dict[str, str]:
    """The connections in force as environment variables."""
    made = {
        variable(id_): json.dumps(each) for id_, each in connections(cluster, settings, kafka_user).items()
    }
    return {name: os.environ.get(name) or value for name, value in made.items()}
