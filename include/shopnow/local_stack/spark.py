"""Spark on this machine: its settings, and the environment `spark-submit` runs in.

A cluster has its own of both. These are for jobs of seconds on two cores, where starting, planning and compiling cost
far more than the rows do: together they make such a job two to three times faster. All of them are in the environment,
and none in a file: a folder with a file in it, on the classpath, is one that the JVM loads no archived classes beside.
"""

import shlex
import sys
from pathlib import Path

from shopnow.local_stack import jars, openlineage, spark_cds_archive
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


def common_conf(settings: Settings) -> dict[str, str]:
    """Spark's settings whatever the master, by name: what the tables and the KPIs need."""
    return {
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Where in the program a column was made, for error messages, takes calls of the JVM for each of thousands.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        # Interpret expressions: a run has some 300 of them, and to compile each takes a third of its time; for many rows the
        # jobs themselves have them compiled.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        # How soon a writer asks again whether HDFS has all of its file; 400 ms by default, for each file.
        "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "20",
        # What the KPIs are to reckon with.
        "spark.shopnow.serviceLevel": str(settings.service_level),
        "spark.shopnow.leadTimeDays": str(settings.lead_time_days),
        **openlineage.spark_conf(settings),
    }


def local_conf(settings: Settings) -> dict[str, str]:
    """Spark's settings for a local master, by name."""
    return {
        **common_conf(settings),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(home_dir(settings) / "scratch"),
        "spark.sql.warehouse.dir": str(home_dir(settings) / "warehouse"),
        "spark.sql.shuffle.partitions": "4",
        "spark.databricks.delta.snapshotPartitions": "2",
        # No replanning while a job runs, which makes a job of each of its stages.
        "spark.sql.adaptive.enabled": "false",
    }


def environment(settings: Settings, java: Path) -> dict[str, str]:
    """The variables `spark-submit` needs for a local master; `java` is a Java home."""
    options = [*_JAVA_OPTIONS, *spark_cds_archive.jvm_options(cds_archive(java))]
    options += [f"-D{name}={value}" for name, value in local_conf(settings).items()]
    return {
        **driver_environment(settings, java),
        # That folder is always on the classpath; this one is never made.
        "SPARK_CONF_DIR": str(home_dir(settings) / "no-conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        # Spark takes none of these from `conf` once the JVM runs.
        "SPARK_DRIVER_MEMORY": f"{settings.spark_driver_memory_mb}m",
        "SPARK_DIST_CLASSPATH": ":".join(map(str, extra_classpath(settings))),
        "SPARK_SUBMIT_OPTS": shlex.join(options),
    }


def driver_environment(settings: Settings, java: Path) -> dict[str, str]:
    """The variables of a driver whatever the master, and of Airflow, which starts it; a cluster's settings are left as they are."""
    modules = [
        ROOT / "include",
        ROOT / "spark_apps",
        *([openlineage.packages_dir()] if settings.openlineage else []),
    ]
    return {
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(jars.pyspark_home()),
        "PYSPARK_PYTHON": sys.executable,
        # Each of many threads would keep memory of its own that it has no use for.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": ":".join(map(str, modules)),
    }


def home_dir(settings: Settings) -> Path:
    return settings.data_dir / "spark"


def jar_groups(settings: Settings) -> list[str]:
    """The groups of `locks/jars.lock` that Spark is to have."""
    return ["spark", *(["spark-openlineage"] if settings.openlineage else [])]


def extra_classpath(settings: Settings) -> list[Path]:
    """What is after Spark's own jars: first what the archive of classes is made with, then what comes by choice."""
    return jars.classpath(*jar_groups(settings))


def cds_archive(java: Path) -> Path:
    """The archive of the classes that Spark loads here; not there before `prepare` was through.

    It is kept with the packages it is made from, for every stack that runs from them.
    """
    classpath = [*sorted((jars.pyspark_home() / "jars").iterdir()), *jars.classpath("spark")]
    return (
        Path(sys.prefix)
        / "share"
        / "shopnow"
        / f"classes-{spark_cds_archive.cache_key(java, classpath, _JAVA_OPTIONS)}.jsa"
    )


def start_cds_archive(settings: Settings, java: Path, marks: dict[str, str]) -> None:
    """Has the archive made, if it is not there, by a process that yields to every other; does not wait for it.

    `marks` are variables to know that process by.
    """
    if not (file := cds_archive(java)).exists():
        without_choices = environment(settings.model_copy(update={"openlineage": None}), java)
        spark_cds_archive.create_in_background(file, without_choices | marks, submit_command("warm_class_list.py"))


def submit_command(application: str, *arguments: str) -> list[str]:
    """The command line that runs an application of `spark_apps/` here; it wants `environment`."""
    return [
        str(jars.pyspark_home() / "bin" / "spark-submit"),
        "--master",
        MASTER,
        str(ROOT / "spark_apps" / application),
        *arguments,
    ]
