"""Configuration of a container: settings from its environment, secrets from mounted files.

Host names are the service names of docker-compose.yaml; ports are those of `shopnow.settings`.
"""

import os
import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shopnow.errors import UserError
from shopnow.settings import Megabytes

RUN_DIR = Path("/run/shopnow")
"""Configuration files that a container writes for itself at startup."""

SECRETS_DIR = Path("/run/secrets")

NAMENODE = "namenode"
SPARK_MASTER = "spark-master"
API_SERVER = "airflow-api-server"
POSTGRES = "postgres"
REDIS = "redis"
SMTP = "smtp"
SLACK = "slack"

ANY_ADDRESS = "0.0.0.0"  # noqa: S104  (within the container; docker-compose.yaml publishes only the UI's port)
"""Bind address of the services."""


class ClusterSettings(BaseSettings):
    """Settings of the cluster only, read from `SHOPNOW_<NAME>`; those of `shopnow.settings` apply as well."""

    model_config = SettingsConfigDict(env_prefix="SHOPNOW_", extra="ignore", frozen=True)

    kafka_hosts: str = Field(
        "kafka-1,kafka-2,kafka-3", description="broker host names in the order of their ids, which start at 1"
    )
    hdfs_replicas: int = Field(
        3, ge=1, le=512, description="replicas of each block, limited by the number of DataNodes"
    )
    spark_daemon_memory_mb: Megabytes = Field(256, description="JVM heap of each Spark master and worker, MB")
    spark_worker_cores: int = Field(2, ge=1, description="cores that a Spark worker offers")
    spark_worker_memory_mb: Megabytes = Field(1024, description="memory that a Spark worker offers")
    spark_executor_memory_mb: Megabytes = Field(1024, description="JVM heap of each Spark executor, MB")
    celery_concurrency: int = Field(4, ge=1, description="tasks that a Celery worker runs at once")

    @property
    def brokers(self) -> list[str]:
        return self.kafka_hosts.split(",")


def hostname() -> str:
    """Return the name by which other containers reach this one."""
    return socket.gethostname()


def read_secret(name: str) -> str:
    """Read the secret mounted under this name.

    Raises:
        UserError: the secret is not mounted in this container, or is empty.
    """
    file = SECRETS_DIR / name
    try:
        value = file.read_text().strip()
    except OSError:
        value = ""
    if not value:
        raise UserError(
            f"secret {name} is missing or empty: set SHOPNOW_{name.upper()} in the environment or in .env, "
            "from which docker-compose.yaml mounts it"
        )
    return value


def write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read, because it holds a secret."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
