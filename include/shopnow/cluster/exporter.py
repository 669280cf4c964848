"""Prometheus exporter of the pipeline, at `GET /metrics`: `python -m shopnow.cluster.exporter HOST PORT`.

Metrics are read on demand, so a restart of this or any other service loses nothing. They are cached for
`REFRESH_SECONDS`.
"""

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from threading import Condition

from cachetools import TTLCache, cached
from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from shopnow import connections
from shopnow.cluster import metrics
from shopnow.cluster.metrics import Sources
from shopnow.cluster.secret_files import read_secret
from shopnow.cluster.settings import API_SERVER
from shopnow.lake.ingest import lag
from shopnow.local_stack import airflow, airflow_api
from shopnow.settings import Settings

REFRESH_SECONDS = 15.0
AIRFLOW_TIMEOUT_SECONDS = 5.0
"""Timeout of a request to Airflow; below Prometheus' timeout of the whole scrape."""


class PipelineCollector(Collector):
    """Collects the metrics of all sources, at most once every `REFRESH_SECONDS`."""

    def __init__(self, sources: Sources) -> None:
        # With a condition, concurrent scrapes wait for one collection instead of each starting their own.
        cache: TTLCache[object, list[Metric]] = TTLCache(maxsize=1, ttl=REFRESH_SECONDS)
        self._collect = cached(cache, condition=Condition())(partial(metrics.collect, sources))

    def collect(self) -> Iterable[Metric]:
        return self._collect()


class Handler(MetricsHandler):
    """Serves the metrics at `/metrics`, and an empty response at `/health` even while a source is slow."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            super().do_GET()
        elif path == "/health":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.send_error(404)


def registry(sources: Sources) -> CollectorRegistry:
    """Build a registry of the pipeline's metrics only, without those of this process."""
    own_registry = CollectorRegistry()
    own_registry.register(PipelineCollector(sources))
    return own_registry


def pipeline_sources(settings: Settings) -> Sources:
    """Build the sources of the pipeline's metrics, by the names that `shopnow_up` has.

    Raises:
        UserError: the viewer's password is not mounted in this container.
    """
    active_connections = connections.load(settings)
    conf, lake = connections.kafka_conf(active_connections), connections.lake_uri(active_connections)
    address, password = airflow.url(settings, API_SERVER), read_secret("viewer_password")

    def read_airflow() -> Iterator[Metric]:
        with airflow_api.log_in(address, airflow.VIEWER_USER, password, AIRFLOW_TIMEOUT_SECONDS) as api:
            yield from metrics.airflow_metrics(api)

    return {
        "kafka": lambda: metrics.topic_metrics(lag.positions(conf, lake)),
        "lake": lambda: metrics.lake_metrics(lake),
        "airflow": read_airflow,
    }


def main(host: str, port: int) -> None:
    handler = Handler.factory(registry(pipeline_sources(Settings.load())))
    ThreadingHTTPServer((host, port), handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
