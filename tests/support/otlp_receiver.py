"""An OTLP/HTTP receiver that records the names of metrics and spans.

    python tests/support/otlp_receiver.py 4318

prints each name when it arrives first.
"""

import gzip
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver(ThreadingHTTPServer):
    """Records what it receives; listens on a free port by default."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Handler)
        self.metrics: set[str] = set()
        self.spans: set[str] = set()
        self.services: set[str] = set()
        """`service.name` of the senders."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def record(self, path: str, body: bytes) -> None:
        if path == "/v1/metrics":
            metrics = ExportMetricsServiceRequest.FromString(body).resource_metrics
            self.metrics |= {
                metric.name
                for resource in metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }
            self._record_services(entry.resource for entry in metrics)
        else:
            spans = ExportTraceServiceRequest.FromString(body).resource_spans
            self.spans |= {
                span.name for resource in spans for scope in resource.scope_spans for span in scope.spans
            }
            self._record_services(entry.resource for entry in spans)

    def _record_services(self, resources) -> None:
        attributes = (attribute for resource in resources for attribute in resource.attributes)
        self.services |= {
            attribute.value.string_value for attribute in attributes if attribute.key == "service.name"
        }


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.record(self.path, body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class _Printer(Receiver):
    def record(self, path: str, body: bytes) -> None:
        before = self.metrics | self.spans
        super().record(path, body)
        for name in sorted((self.metrics | self.spans) - before):
            print(path.rpartition("/")[2], name, flush=True)


if __name__ == "__main__":
    _Printer("0.0.0.0", int(sys.argv[1])).serve_forever()  # noqa: S104  (in a container, for the others of its network)
