"""The tuning of Spark for this machine, which a cluster does not get."""

import json
import shlex
from pathlib import Path

import pytest

from shopnow.local_stack import airflow, spark
from shopnow.settings import Settings

JAVA = Path("/usr/lib/jvm/some")
TUNED = {
    "SPARK_SUBMIT_OPTS",
    "SPARK_DRIVER_MEMORY",
    "SPARK_DIST_CLASSPATH",
    "SPARK_CONF_DIR",
    "SPARK_LOCAL_IP",
}


def test_properties_are_in_the_environment(tmp_path):
    settings = Settings(
        data_dir=tmp_path / "a folder", spark_driver_memory_mb=777, service_level=0.99, lead_time_days=3.5
    )
    environment = spark.environment(settings, JAVA)
    options = shlex.split(environment["SPARK_SUBMIT_OPTS"])
    assert {f"-D{name}={value}" for name, value in spark.local_conf(settings).items()} <= set(options)
    assert {
        "-Dspark.sql.session.timeZone=UTC",
        "-Dspark.shopnow.serviceLevel=0.99",
        "-Dspark.shopnow.leadTimeDays=3.5",
    } <= set(options)
    assert environment["SPARK_DRIVER_MEMORY"] == "777m"
    assert f"-XX:SharedArchiveFile={spark.cds_archive(JAVA)}" in options


@pytest.mark.parametrize("master", ["spark://master", "yarn", "k8s://https://cluster", "local.example"])
def test_cluster_keeps_its_own_settings(tmp_path, monkeypatch, master):
    for name in TUNED:
        monkeypatch.delenv(name, raising=False)
    settings = Settings(data_dir=tmp_path)
    assert airflow.environment(settings, JAVA).keys() >= TUNED
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps({"conn_type": "spark", "host": master}))
    environment = airflow.environment(settings, JAVA)
    assert not environment.keys() & TUNED
    assert environment.keys() >= {"JAVA_HOME", "SPARK_HOME", "PYTHONPATH"}


def test_submit_command_names_an_existing_application():
    assert Path(spark.submit_command("compute_kpis.py")[-1]).is_file()
