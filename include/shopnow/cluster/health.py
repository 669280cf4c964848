"""The image's healthcheck: exits 0 if the service of this container is well.

It runs every few seconds in every container, so it takes nothing but the standard library, which is quick to load.
"""

import json
import smtplib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICE = Path("/run/shopnow/service")
"""Holds the name of the service this container became."""

_SECONDS = 5
_HERE = "127.0.0.1"


def _json(port: int, path: str, host: str = _HERE) -> Any:
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=_SECONDS) as response:
        return json.load(response)


def _page(port: int, path: str) -> Callable[[], bool]:
    """There is such a page."""

    def look() -> bool:
        with urllib.request.urlopen(f"http://{_HERE}:{port}{path}", timeout=_SECONDS) as response:
            return response.status == 200

    return look


def _kafka() -> bool:
    with socket.create_connection((_HERE, 9092), _SECONDS):
        return True


def _namenode() -> bool:
    [info] = _json(9870, "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")["beans"]
    return "Safemode" in info


def _datanode() -> bool:
    [info] = _json(9864, "/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo")["beans"]
    return bool(info["ClusterId"])


def _spark_master() -> bool:
    return _json(8080, "/json/")["status"] == "ALIVE"


def _spark_worker() -> bool:
    return bool(_json(8081, "/json/")["id"])


def _postgres() -> bool:
    return subprocess.run(["pg_isready", "-q", "-h", _HERE, "-U", "airflow"], check=False).returncode == 0


def _redis() -> bool:
    password = Path("/run/secrets/redis_password").read_text().strip().encode()
    with socket.create_connection((_HERE, 6379), _SECONDS) as connection:
        connection.sendall(
            b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n" % (len(password), password)
        )
        return connection.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"


def _smtp() -> bool:
    with smtplib.SMTP(_HERE, 1025, timeout=_SECONDS) as client:
        return client.noop()[0] == 250


def _airflow(component: str) -> Callable[[], bool]:
    """By what the API server knows of the component, of which there is one."""
    return lambda: (
        _json(8080, "/api/v2/monitor/health", "airflow-api-server")[component]["status"] == "healthy"
    )


def _airflow_worker() -> bool:
    """The worker answers over its queue, as it takes tasks."""
    from celery import Celery

    password = Path("/run/secrets/redis_password").read_text().strip()
    app = Celery(broker=f"redis://:{password}@redis:6379/0")
    return bool(app.control.inspect(destination=[f"celery@{socket.gethostname()}"], timeout=_SECONDS).ping())


PROBES: dict[str, Callable[[], bool]] = {
    "kafka": _kafka,
    "namenode": _namenode,
    "datanode": _datanode,
    "spark-master": _spark_master,
    "spark-worker": _spark_worker,
    "spark-history": _page(18080, "/api/v1/version"),
    "postgres": _postgres,
    "redis": _redis,
    "smtp": _smtp,
    "slack": _page(1080, "/messages"),
    "metrics": _page(9100, "/health"),
    "prometheus": _page(9090, "/-/ready"),
    "airflow-api-server": _airflow("metadatabase"),
    "airflow-scheduler": _page(8974, "/health"),
    "airflow-dag-processor": _airflow("dag_processor"),
    "airflow-triggerer": _airflow("triggerer"),
    "airflow-worker": _airflow_worker,
}


def main() -> None:
    name = SERVICE.read_text()
    try:
        well = PROBES[name]()
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"{name}: {error}")
    if not well:
        sys.exit(f"{name} is not well")


if __name__ == "__main__":
    main()
