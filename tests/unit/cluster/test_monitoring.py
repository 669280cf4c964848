"""Prometheus' rules and Grafana's dashboard use exactly the metrics that are exported.

`check_monitoring` in tests/compose/checks.py checks the same in the running stack.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake

from shopnow.cluster import metrics, services
from shopnow.kpis import KPIS
from shopnow.lake.ingest.lag import Position
from shopnow.settings import ROOT, Settings

MONITORING = ROOT / "monitoring"
RULES = yaml.safe_load((MONITORING / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((MONITORING / "grafana" / "dashboards" / "pipeline.json").read_text())["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
PROMETHEUS_METRICS = {"up": "instance", "ALERTS": "alertname"}
"""Metrics of Prometheus itself, and their label."""
RECEIPT = {"topic": "orders", "rows": 7, "quarantined": 1, "committed_at": datetime(2026, 11, 26, tzinfo=UTC)}
RUN = {"state": "success", "duration": 3.0, "end_date": "2026-11-26T01:00:00Z"}


def metric_names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:shopnow_[a-z_]+|up|ALERTS)\b", expression))


@pytest.fixture
def labels(tmp_path):
    """The label of each exported metric, by the metric's name; empty for a metric without label."""
    write_deltalake(str(tmp_path / KPIS[0].name), pa.table({"orders": [1]}))
    families = [
        *metrics.collect({"kafka": lambda: []}),
        *metrics.topic_metrics([Position("orders", "id", 0, 0, 10, 4)]),
        *metrics.receipt_metrics(pa.Table.from_pylist([RECEIPT])),
        *metrics.lake_metrics(str(tmp_path)),
        *metrics.dag_run_metrics({"land_events": RUN}, []),
    ]
    return {sample.name: "".join(sample.labels) for family in families for sample in family.samples}


def test_expressions_use_every_metric_and_no_other(labels):
    expressions = [target["expr"] for target in TARGETS] + [rule["expr"] for rule in RULES]
    assert all(map(metric_names, expressions))
    assert set().union(*map(metric_names, expressions)) == labels.keys() | PROMETHEUS_METRICS.keys()


def test_expressions_use_the_labels_of_their_metrics(labels):
    known_labels = labels | PROMETHEUS_METRICS | {"up": "job"}
    for target in TARGETS:
        [label] = {known_labels[name] for name in metric_names(target["expr"])}
        assert set(re.findall(r"\{\{(.*?)\}\}", target["legendFormat"])) <= {label}
    known_labels = labels | PROMETHEUS_METRICS
    for rule in RULES:
        rule_labels = {known_labels[name] for name in metric_names(rule["expr"])}
        in_summary = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        in_joins = set(re.findall(r"on \((\w+)\)", rule["expr"]))
        assert in_summary | in_joins <= rule_labels


def test_panels_use_the_provisioned_data_source():
    [source] = yaml.safe_load((MONITORING / "grafana" / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert all(panel["datasource"] == {"type": source["type"], "uid": source["uid"]} for panel in PANELS)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_files_of_the_prometheus_configuration_exist(tmp_path):
    options = dict(
        word.removeprefix("--").split("=", 1)
        for word in services.prometheus_command(Settings(data_dir=tmp_path))[1:]
    )
    configuration = Path(options["config.file"])
    assert all(
        (configuration.parent / name).exists()
        for name in yaml.safe_load(configuration.read_text())["rule_files"]
    )
    assert options["storage.tsdb.path"].startswith(str(tmp_path))
