"""What Prometheus's rules and Grafana's dashboard ask for is what is measured; tests/compose/monitored.py asks the running ones."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from shopnow.cluster import metrics, prometheus
from shopnow.settings import ROOT, Settings

MONITORING = ROOT / "monitoring"
RULES = yaml.safe_load((MONITORING / "prometheus" / "rules.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((MONITORING / "grafana" / "dashboards" / "pipeline.json").read_text())["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
OWN = {"up": "instance", "ALERTS": "alertname"}
"""What Prometheus measures itself, beside its label."""
RECEIPTS = pa.schema(
    [
        ("topic", pa.string()),
        ("rows", pa.int64()),
        ("quarantined", pa.int64()),
        ("committed_at", pa.timestamp("us", "UTC")),
    ]
)


def named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:shopnow_[a-z_]+|up|ALERTS)\b", expression))


@pytest.fixture
def labels(tmp_path):
    """The label of each metric there is, by its name."""
    found = [
        *metrics.gather({}),
        *metrics.of_topics([]),
        *metrics.of_receipts(RECEIPTS.empty_table()),
        *metrics.of_lake(str(tmp_path)),
        *metrics.of_runs({}, []),
    ]
    return {metric.name: metric.label for metric in found}


def test_what_is_asked_for_is_what_is_measured(labels):
    expressions = [target["expr"] for target in TARGETS] + [rule["expr"] for rule in RULES]
    assert all(map(named, expressions))
    assert set().union(*map(named, expressions)) == labels.keys() | OWN.keys()


def test_labels_are_those_of_the_metric(labels):
    known = labels | OWN | {"up": "job"}
    for target in TARGETS:
        [label] = {known[name] for name in named(target["expr"])}
        assert set(re.findall(r"\{\{(.*?)\}\}", target["legendFormat"])) <= {label}
    known = labels | OWN
    for rule in RULES:
        its = {known[name] for name in named(rule["expr"])}
        assert (
            set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
            | set(re.findall(r"on \((\w+)\)", rule["expr"]))
            <= its
        )


def test_a_panel_asks_the_prometheus_that_is_provisioned():
    [source] = yaml.safe_load((MONITORING / "grafana" / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert all(panel["datasource"] == {"type": source["type"], "uid": source["uid"]} for panel in PANELS)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_prometheus_is_given_files_there_are(tmp_path):
    options = dict(
        word.removeprefix("--").split("=", 1) for word in prometheus.command(Settings(data_dir=tmp_path))[1:]
    )
    configuration = Path(options["config.file"])
    assert all(
        (configuration.parent / name).exists()
        for name in yaml.safe_load(configuration.read_text())["rule_files"]
    )
    assert options["storage.tsdb.path"].startswith(str(tmp_path))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Prometheus, is not installed")
@pytest.mark.parametrize(
    "words",
    [["check", "config", MONITORING / "prometheus" / "prometheus.yml"], ["test", "rules", "rules_test.yml"]],
)
def test_promtool_agrees(words):
    done = subprocess.run(
        ["promtool", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
