"""Health check of the image: exits 0 if the service of this container is healthy.

It runs every few seconds in every container, so it imports only the standard library, which loads fast.
"""

import json
import os
import smtplib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SERVICE_FILE = Path("/run/shopnow/service")
"""Holds the name of the service that this container runs."""

_TIMEOUT_SECONDS = 5
_LOCALHOST = "127.0.0.1"


def _get_json(port: int, path: str, host: str = _LOCALHOST) -> Any:
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=_TIMEOUT_SECONDS) as response:
        return json.load(response)


def _http_probe(port: int, path: str) -> Callable[[], bool]:
    """Build a probe that requires status 200."""

    def probe() -> bool:
        url = f"http://{_LOCALHOST}:{port}{path}"
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            return response.status == 200

    return probe


def _kafka() -> bool:
    with socket.create_connection((_LOCALHOST, 9092), _TIMEOUT_SECONDS):
        return True


def _namenode() -> bool:
    [info] = _get_json(9870, "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")["beans"]
    return "Safemode" in info


def _datanode() -> bool:
    [info] = _get_json(9864, "/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo")["beans"]
    return bool(info["ClusterId"])


def _spark_master() -> bool:
    return _get_json(8080, "/json/")["status"] == "ALIVE"


def _spark_worker() -> bool:
    return bool(_get_json(8081, "/json/")["id"])


def _postgres() -> bool:
    return (
        subprocess.run(["pg_isready", "-q", "-h", _LOCALHOST, "-U", "airflow"], check=False).returncode == 0
    )


def _redis() -> bool:
    password = _redis_password().encode()
    with socket.create_connection((_LOCALHOST, 6379), _TIMEOUT_SECONDS) as connection:
        connection.sendall(
            b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n" % (len(password), password)
        )
        return connection.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"


def _smtp() -> bool:
    with smtplib.SMTP(_LOCALHOST, 1025, timeout=_TIMEOUT_SECONDS) as client:
        return client.noop()[0] == 250


def _airflow_probe(component: str) -> Callable[[], bool]:
    """Build a probe of a component that runs once, from the API server's health endpoint."""

    def probe() -> bool:
        health = _get_json(8080, f"{_airflow_path()}/api/v2/monitor/health", "airflow-api-server")
        return health[component]["status"] == "healthy"

    return probe


def _airflow_path() -> str:
    """Return the path below which Airflow serves everything; empty by default."""
    return urlsplit(os.environ.get("AIRFLOW__API__BASE_URL", "")).path.rstrip("/")


def _airflow_worker() -> bool:
    """Ping the worker through the broker, the way it receives tasks."""
    from celery import Celery

    app = Celery(broker=f"redis://:{_redis_password()}@redis:6379/0")
    worker = f"celery@{socket.gethostname()}"
    return bool(app.control.inspect(destination=[worker], timeout=_TIMEOUT_SECONDS).ping())


def _redis_password() -> str:
    return Path("/run/secrets/redis_password").read_text().strip()


PROBES: dict[str, Callable[[], bool]] = {
    "kafka": _kafka,
    "namenode": _namenode,
    "datanode": _datanode,
    "spark-master": _spark_master,
    "spark-worker": _spark_worker,
    "spark-history": _http_probe(18080, "/api/v1/version"),
    "postgres": _postgres,
    "redis": _redis,
    "smtp": _smtp,
    "slack": _http_probe(1080, "/messages"),
    "metrics": _http_probe(9100, "/health"),
    "prometheus": _http_probe(9090, "/-/ready"),
    "airflow-api-server": _airflow_probe("metadatabase"),
    "airflow-scheduler": _http_probe(8974, "/health"),
    "airflow-dag-processor": _airflow_probe("dag_processor"),
    "airflow-triggerer": _airflow_probe("triggerer"),
    "airflow-worker": _airflow_worker,
}


def main() -> None:
    service = SERVICE_FILE.read_text()
    try:
        is_healthy = PROBES[service]()
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"{service}: {error}")
    if not is_healthy:
        sys.exit(f"{service} is unhealthy")


if __name__ == "__main__":
    main()
