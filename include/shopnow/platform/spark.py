"""Spark on this machine: its settings, and the environment `spark-submit` runs in.

A cluster has its own of both. These are for jobs of seconds on two cores, where starting, planning and compiling cost
far more than the rows do: together they make such a job two to three times faster.
"""

import sys
import tempfile
from pathlib import Path

from shopnow.platform import jars
from shopnow.settings import ROOT, Settings

MASTER = "local[2]"

_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    # Only the quick compiler: such a job ends before the thorough one would pay.
    "-XX:TieredStopAtLevel=1",
    # Room for Spark's classes from the start; otherwise each step of its growth is a full collection.
    "-XX:MetaspaceSize=256m",
    # The quick compiler alone is given a cache that a long run fills, and from then on nothing is compiled.
    "-XX:ReservedCodeCacheSize=240m",
    "-Duser.timezone=UTC",
)


def conf(settings: Settings) -> dict[str, str]:
    """Spark's settings for a local master, as for `spark-submit --conf`; they take effect only before the JVM starts."""
    return {
        "spark.driver.memory": f"{settings.spark_driver_memory_mb}m",
        "spark.driver.extraClassPath": ":".join(map(str, jars.classpath("spark"))),
        "spark.driver.extraJavaOptions": " ".join(_JAVA_OPTIONS),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(home(settings) / "scratch"),
        "spark.sql.warehouse.dir": str(home(settings) / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.shuffle.partitions": "4",
        "spark.databricks.delta.snapshotPartitions": "2",
        # No replanning while a job runs, which makes a job of each of its stages.
        "spark.sql.adaptive.enabled": "false",
        # Interpret expressions: a run has some 300 of them, and to compile each takes a third of its time.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        # How soon a writer asks again whether HDFS has all of its file; 400 ms by default, for each file.
        "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "20",
    }


def environment(settings: Settings, java: Path) -> dict[str, str]:
    """The variables `spark-submit` needs; `java` is a Java home."""
    return {
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(jars.pyspark_home()),
        "SPARK_CONF_DIR": str(properties_file(settings).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": f"{ROOT / 'include'}:{ROOT / 'spark_apps'}",
    }


def home(settings: Settings) -> Path:
    return settings.data_dir / "spark"


def properties_file(settings: Settings) -> Path:
    """The file `prepare` writes the settings to; as `SPARK_CONF_DIR` names its folder, no command and no DAG has to."""
    return home(settings) / "conf" / "spark-defaults.conf"


def prepare(settings: Settings) -> None:
    """Writes the settings to the properties file."""
    properties_file(settings).parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{key} {value}\n" for key, value in conf(settings).items())
    with tempfile.NamedTemporaryFile("w", dir=home(settings), delete=False) as file:
        file.write(content)
    Path(file.name).replace(properties_file(settings))


def submit(application: str, *arguments: str) -> list[str]:
    """The command line that runs an application of `spark_apps/` here; it wants `environment` and, before, `prepare`."""
    return [str(jars.pyspark_home() / "bin" / "spark-submit"), "--master", MASTER, str(ROOT / "spark_apps" / application), *arguments]
