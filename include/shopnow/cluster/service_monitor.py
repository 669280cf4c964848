"""The service monitor of the cluster: checks services and DAG runs from outside, by mail and Slack.

    python -m shopnow.cluster.service_monitor

It has the local stack's rules: one notification when a problem starts, and one when it is resolved. Docker
restarts the containers that die, and only it knows of their processes; so here a problem is a service that
does not do its work for a while, however often it is restarted.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from shopnow.cluster import probes, redis_client
from shopnow.cluster.probes import ProbeError
from shopnow.cluster.secret_files import read_secret
from shopnow.cluster.settings import API_SERVER, ClusterSettings
from shopnow.errors import UserError
from shopnow.local_stack import airflow, airflow_api
from shopnow.local_stack.incidents import Problem
from shopnow.local_stack.service_monitor import watch
from shopnow.settings import Settings

CHECK_INTERVAL_SECONDS = 15.0
UNRESPONSIVE = timedelta(seconds=60)
"""How long a service may fail its probe before that is a problem."""
START = timedelta(minutes=6)
"""How long a service that this monitor has not seen healthy yet may take to start."""
AIRFLOW_TIMEOUT_SECONDS = 10.0

Probe = Callable[[], bool]

REMOTE_PROBES: Mapping[str, Callable[[str], bool]] = {
    "kafka": lambda host: probes.kafka(host, "monitor"),
    "namenode": probes.namenode,
    "datanode": probes.datanode,
    "spark-master": probes.spark_master,
    "spark-worker": probes.spark_worker,
    "spark-history": lambda host: probes.http(host, 18080, "/api/v1/version"),
    "postgres": probes.postgres_accepts_logins,
    "redis": lambda host: probes.redis(host, redis_client.MONITOR_USER),
    "smtp": probes.smtp,
    "slack": lambda host: probes.http(host, 1080, "/messages"),
    "metrics": lambda host: probes.http(host, 9100, "/health"),
    "prometheus": lambda host: probes.http(host, 9090, "/-/ready"),
    "airflow-api-server": lambda host: probes.airflow_component("metadatabase"),
    "airflow-scheduler": lambda host: probes.http(host, 8974, "/health"),
    "airflow-dag-processor": lambda host: probes.airflow_component("dag_processor"),
    "airflow-triggerer": lambda host: probes.airflow_component("triggerer"),
    "airflow-worker": lambda host: probes.airflow_worker(host, redis_client.MONITOR_USER),
}
"""By service, a probe of the container with a host name."""


def main() -> None:
    settings = Settings.load()
    services = ServiceChecker(service_probes(ClusterSettings().monitored.split(",")), datetime.now(UTC))
    address, password = airflow.url(settings, API_SERVER), read_secret("viewer_password")
    watch(
        settings,
        lambda: services.check(datetime.now(UTC)),
        lambda: airflow_api.log_in(address, airflow.VIEWER_USER, password, AIRFLOW_TIMEOUT_SECONDS),
        CHECK_INTERVAL_SECONDS,
    )


def service_probes(hosts: list[str]) -> dict[str, Probe]:
    """Return a probe of each host, chosen by its name, such as `kafka-2`.

    Raises:
        UserError: a host has the name of no service.
    """
    services = {host: re.sub(r"-\d+$", "", host) for host in hosts}
    if unknown := [host for host, service in services.items() if service not in REMOTE_PROBES]:
        raise UserError(
            f"SHOPNOW_MONITORED={','.join(hosts)} names unknown services: {', '.join(unknown)}; "
            f"known are {', '.join(REMOTE_PROBES)}, each also with a number"
        )
    return {host: _bind(REMOTE_PROBES[service], host) for host, service in services.items()}


def _bind(probe: Callable[[str], bool], host: str) -> Probe:
    return lambda: probe(host)


class ServiceChecker:
    """Checks the services by their probes, and remembers since when each has failed.

    Args:
        probes: probe of each service, by its name.
        started_at: since when the monitor runs.
    """

    def __init__(self, probes: Mapping[str, Probe], started_at: datetime) -> None:
        self._probes = probes
        self._failing_since: dict[str, datetime] = {}
        self._not_seen_healthy = dict.fromkeys(probes, started_at)

    def check(self, now: datetime) -> Iterator[Problem]:
        """Yield the services that have failed their probe for too long."""
        with ThreadPoolExecutor(max_workers=len(self._probes)) as pool:
            healthy = dict(zip(self._probes, pool.map(_passes, self._probes.values()), strict=True))
        for name, is_healthy in healthy.items():
            if is_healthy:
                self._failing_since.pop(name, None)
                self._not_seen_healthy.pop(name, None)
                continue
            since = self._failing_since.setdefault(name, now)
            started_at = self._not_seen_healthy.get(name)
            if now - since >= UNRESPONSIVE and (started_at is None or now - started_at >= START):
                yield Problem(
                    f"service/{name}", f"{name} does not do its work; see docker compose ps and logs"
                )


def _passes(probe: Probe) -> bool:
    try:
        return probe()
    except (OSError, KeyError, ValueError, ProbeError):
        return False


if __name__ == "__main__":
    main()
