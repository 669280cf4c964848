"""Health check of the image: exits 0 if the service of this container is healthy.

It runs every few seconds in every container, so it imports only what the service's probe needs.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopnow.cluster import probes, redis_client
from shopnow.cluster.probes import ProbeError
from shopnow.errors import UserError

SERVICE_FILE = Path("/run/shopnow/service")
"""Holds the name of the service that this container runs."""

MONITOR_INTERVAL = timedelta(minutes=2)
"""Age from which the last check of the service monitor is too old."""

_LOCALHOST = "127.0.0.1"


def _service_monitor() -> bool:
    file = Path(os.environ["SHOPNOW_DATA_DIR"]) / "watchdog" / "incidents.json"
    checked_at = datetime.fromisoformat(json.loads(file.read_text())["looked_at"])
    return datetime.now(UTC) - checked_at < MONITOR_INTERVAL


PROBES: Mapping[str, Callable[[], bool]] = {
    "kafka": lambda: probes.kafka(socket.gethostname(), "admin"),
    "namenode": lambda: probes.namenode(_LOCALHOST),
    "datanode": lambda: probes.datanode(_LOCALHOST),
    "spark-master": lambda: probes.spark_master(_LOCALHOST),
    "spark-worker": lambda: probes.spark_worker(_LOCALHOST),
    "spark-history": lambda: probes.http(_LOCALHOST, 18080, "/api/v1/version"),
    "postgres": lambda: probes.postgres_query(_LOCALHOST, "SELECT true"),
    "redis": lambda: probes.redis(_LOCALHOST, redis_client.AIRFLOW_USER),
    "smtp": lambda: probes.smtp(_LOCALHOST),
    "slack": lambda: probes.http(_LOCALHOST, 1080, "/messages"),
    "metrics": lambda: probes.http(_LOCALHOST, 9100, "/health"),
    "prometheus": lambda: probes.http(_LOCALHOST, 9090, "/-/ready"),
    "airflow-api-server": lambda: probes.airflow_component("metadatabase"),
    # The scheduler's own server answers with its last heartbeat.
    "airflow-scheduler": lambda: probes.http(_LOCALHOST, 8974, "/health"),
    "airflow-dag-processor": lambda: probes.airflow_heartbeat("DagProcessorJob"),
    "airflow-triggerer": lambda: probes.airflow_heartbeat("TriggererJob"),
    "airflow-worker": lambda: probes.airflow_worker(socket.gethostname(), redis_client.AIRFLOW_USER),
    "service-monitor": _service_monitor,
}


def main() -> None:
    if not SERVICE_FILE.exists():
        sys.exit("the container has not started its service yet")
    service = SERVICE_FILE.read_text()
    try:
        is_healthy = PROBES[service]()
    except (OSError, KeyError, ValueError, ProbeError, UserError) as error:
        sys.exit(f"{service}: {error}")
    if not is_healthy:
        sys.exit(f"{service} is unhealthy")


if __name__ == "__main__":
    main()
