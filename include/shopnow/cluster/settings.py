"""Configuration of a container: settings from its environment, and the addresses of the others.

Host names are the service names of docker-compose.yaml; ports are those of `shopnow.settings`.
"""

import socket
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shopnow.settings import Megabytes

RUN_DIR = Path("/run/shopnow")
"""Configuration files that a container writes for itself at startup."""

NAMENODE = "namenode"
SPARK_MASTER = "spark-master"
API_SERVER = "airflow-api-server"
POSTGRES = "postgres"
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
    monitored: str = Field("", description="host names of the services that the service monitor checks")

    @property
    def brokers(self) -> list[str]:
        return self.kafka_hosts.split(",")


def hostname() -> str:
    """Return the name by which other containers reach this one."""
    return socket.gethostname()
