"""Prometheus, which keeps the metrics for a while and judges them by the rules in `monitoring/prometheus`."""

from shopnow.cluster.settings import EVERYWHERE
from shopnow.settings import ROOT, Settings


def command(settings: Settings) -> list[str]:
    """The server's command line."""
    options = {
        "config.file": ROOT / "monitoring" / "prometheus" / "prometheus.yml",
        "storage.tsdb.path": settings.data_dir / "prometheus",
        # Whichever is reached first.
        "storage.tsdb.retention.time": "15d",
        "storage.tsdb.retention.size": "256MB",
        "web.listen-address": f"{EVERYWHERE}:9090",
    }
    return ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
