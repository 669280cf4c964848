"""OpenLineage events go to the configured target; without one, neither provider nor listener is loaded."""

import shlex
from pathlib import Path

import pytest

from shopnow.errors import UserError
from shopnow.local_stack import airflow, jars, spark
from shopnow.settings import Settings

JAVA = Path("/usr/lib/jvm/some")
API = "http://127.0.0.1:5000"


def test_nothing_is_loaded_when_lineage_is_off(tmp_path):
    settings = Settings(data_dir=tmp_path)
    environment = airflow.environment(settings, JAVA)
    assert environment["AIRFLOW__OPENLINEAGE__DISABLED"] == "True"
    assert "openlineage" not in environment["PYTHONPATH"]
    assert "openlineage" not in environment["SPARK_DIST_CLASSPATH"]
    assert "openlineage" not in environment["SPARK_SUBMIT_OPTS"]


@pytest.mark.parametrize(
    ("target", "transport"),
    [
        ("/var/lib/lineage.jsonl", {"type": "file", "location": "/var/lib/lineage.jsonl"}),
        (API, {"type": "http", "url": API}),
    ],
)
def test_spark_sends_to_the_same_target_and_names_its_task(tmp_path, target, transport):
    settings = Settings(data_dir=tmp_path, openlineage=target)
    environment = airflow.environment(settings, JAVA)
    options = shlex.split(environment["SPARK_SUBMIT_OPTS"])
    expected = {f"-Dspark.openlineage.transport.{name}={value}" for name, value in transport.items()}
    assert expected | {"-Dspark.extraListeners=io.openlineage.spark.agent.OpenLineageSparkListener"} <= set(
        options
    )
    assert environment["AIRFLOW__OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO"] == "True"


def test_class_archive_stays_valid(tmp_path):
    """The JVM accepts it as long as the classpath begins with the one that it was created with."""
    without_lineage, with_lineage = Settings(data_dir=tmp_path), Settings(data_dir=tmp_path, openlineage=API)
    assert (
        spark.extra_classpath(without_lineage)
        == jars.classpath("spark")
        == spark.extra_classpath(with_lineage)[:-1]
    )


@pytest.mark.parametrize("value", ["lineage.jsonl", "s3://bucket/lineage"])
def test_target_must_be_an_absolute_path_or_an_http_address(monkeypatch, value):
    monkeypatch.setenv("SHOPNOW_OPENLINEAGE", value)
    with pytest.raises(UserError, match="SHOPNOW_OPENLINEAGE"):
        Settings.load()
