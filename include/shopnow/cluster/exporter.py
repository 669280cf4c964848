"""Serves the metrics to Prometheus at `GET /metrics`: `python -m shopnow.cluster.exporter HOST PORT`.

Everything is measured when it is asked for, so it is right whatever was restarted; at most every `KEPT_SECONDS`.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from shopnow import connections
from shopnow.cluster import metrics
from shopnow.cluster.metrics import Metric
from shopnow.cluster.settings import API_SERVER, secret
from shopnow.lake.ingest import lag
from shopnow.local_stack import airflow, airflow_api
from shopnow.settings import Settings

KEPT_SECONDS = 15.0
PATIENCE_SECONDS = 5.0
"""For an answer of Airflow: less than Prometheus has for all of it."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sources = Mapping[str, Callable[[], Iterable[Metric]]]


def text(metrics: Iterable[Metric]) -> str:
    """Metrics as Prometheus reads them."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
        for value, number in sorted(metric.values.items()):
            labels = f'{{{metric.label}="{value}"}}' if metric.label else ""
            lines.append(f"{metric.name}{labels} {float(number)!r}")
    return "\n".join(lines) + "\n"


class _Kept:
    """The last answer, made anew when it is old."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = Lock()
        self._made = float("-inf")
        self._text = ""

    def get(self) -> str:
        with self._lock:
            if time.monotonic() - self._made > KEPT_SECONDS:
                self._text = text(metrics.gather(self._sources))
                self._made = time.monotonic()
            return self._text


class _Handler(BaseHTTPRequestHandler):
    kept: _Kept

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(self.kept.get())
        elif self.path == "/health":
            # It serves, even where what it measures takes long or does not answer.
            self._answer("")
        else:
            self.send_error(404)

    def _answer(self, text: str) -> None:
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it is asked every few seconds."""


def sources(settings: Settings) -> Sources:
    """Where metrics come from, by the names in `shopnow_up`.

    Raises:
        UserError: this container was not given the viewer's password.
    """
    in_force = connections.load(settings)
    conf, lake = connections.kafka(in_force), connections.lake(in_force)
    address, password = f"http://{API_SERVER}:{settings.ports['airflow']}", secret("viewer_password")

    def of_airflow() -> Iterator[Metric]:
        with airflow_api.log_in(address, airflow.VIEWER, password, PATIENCE_SECONDS) as api:
            yield from metrics.of_airflow(api)

    return {
        "kafka": lambda: metrics.of_topics(lag.positions(conf, lake)),
        "lake": lambda: metrics.of_lake(lake),
        "airflow": of_airflow,
    }


def main(host: str, port: int) -> None:
    kept = _Kept(sources(Settings.load()))
    ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"kept": kept})).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
