"""Spark's settings for this machine."""

from pathlib import Path

from shopnow.platform import spark
from shopnow.settings import Settings


def test_the_properties_file_holds_the_settings(tmp_path):
    settings = Settings(data_dir=tmp_path, spark_driver_memory_mb=777)
    spark.prepare(settings)
    spark.prepare(settings)
    lines = dict(line.split(" ", 1) for line in spark.properties_file(settings).read_text().splitlines())
    assert lines == spark.conf(settings)
    assert lines["spark.driver.memory"] == "777m"
    assert lines["spark.sql.session.timeZone"] == "UTC"
    assert [path.name for path in spark.properties_file(settings).parent.iterdir()] == [spark.properties_file(settings).name]


def test_the_application_is_where_submit_looks():
    assert Path(spark.submit("compute_kpis.py")[-1]).is_file()
