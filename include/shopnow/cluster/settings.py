"""What a container of the cluster is told: settings from its environment, secrets from files.

The hosts are the names of the services in docker-compose.yaml; the ports are those of `shopnow.settings`.
"""

import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shopnow.errors import UserError
from shopnow.settings import Megabytes

RUN = Path("/run/shopnow")
"""What a container writes for itself when it starts."""

SECRETS = Path("/run/secrets")

NAMENODE = "namenode"
SPARK_MASTER = "spark-master"
API_SERVER = "airflow-api-server"
POSTGRES = "postgres"
REDIS = "redis"
SMTP = "smtp"
SLACK = "slack"

EVERYWHERE = "0.0.0.0"  # noqa: S104  (in its container; docker-compose.yaml publishes the UI's port only)
"""The address services listen on."""


class Cluster(BaseSettings):
    """Every setting as `SHOPNOW_<NAME>`, beside those of `shopnow.settings`."""

    model_config = SettingsConfigDict(env_prefix="SHOPNOW_", extra="ignore", frozen=True)

    kafka_hosts: str = Field("kafka-1,kafka-2,kafka-3", description="the brokers, by their ids from 1 on")
    hdfs_replicas: int = Field(3, ge=1, le=512, description="of each block, as far as there are DataNodes")
    spark_daemon_memory_mb: Megabytes = 256
    spark_worker_cores: int = Field(2, ge=1, description="that a Spark worker offers")
    spark_worker_memory_mb: Megabytes = Field(1024, description="that a Spark worker offers")
    spark_executor_memory_mb: Megabytes = 1024
    celery_concurrency: int = Field(4, ge=1, description="tasks that a Celery worker runs at once")

    @property
    def brokers(self) -> list[str]:
        return self.kafka_hosts.split(",")


def host() -> str:
    """The name by which the other containers reach this one."""
    return socket.gethostname()


def secret(name: str) -> str:
    """A secret, by its name.

    Raises:
        UserError: this container was not given it.
    """
    file = SECRETS / name
    try:
        value = file.read_text().strip()
    except OSError:
        value = ""
    if not value:
        raise UserError(
            f"there is no secret {name}: docker-compose.yaml takes it from the variable SHOPNOW_{name.upper()}"
        )
    return value
