"""Spark's configuration on this machine, and the environment of `spark-submit`; a cluster keeps its own.

The configuration is tuned for jobs of seconds on two cores, where startup, planning and code generation cost
far more than the rows: together it makes such a job two to three times faster. It is passed by environment
variables, not by a file: the JVM uses no class archive when the classpath has a non-empty folder, such as one
with a configuration file.
"""

import shlex
import sys
from pathlib import Path

from shopnow.kpis import parameters
from shopnow.local_stack import data_dir, jars, openlineage, spark_cds_archive
from shopnow.settings import ROOT, Settings

MASTER = "local[2]"

_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    # Only the C1 compiler: these jobs end before C2 would pay off.
    "-XX:TieredStopAtLevel=1",
    # Metaspace for all of Spark's classes: otherwise each step of its growth is a full garbage collection.
    "-XX:MetaspaceSize=256m",
    # The default code cache without C2 is so small that a long run fills it, and compilation stops.
    "-XX:ReservedCodeCacheSize=240m",
    "-Duser.timezone=UTC",
)


def common_conf(settings: Settings) -> dict[str, str]:
    """Return the properties that the tables and the KPIs need, on any master."""
    return {
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        # Where the pages are on, by a setting of the user or on a cluster, nobody needs a login to see them.
        "spark.ui.killEnabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Recording the call site of each of thousands of columns, for error messages, costs calls to the JVM.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        # Interpret expressions: compiling the about 300 of a run takes a third of its time. Jobs with many
        # rows turn code generation on themselves.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        # Delay before a writer asks again whether HDFS has a file's last block; the default is 400 ms.
        "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "20",
        **parameters.spark_properties(settings),
        **openlineage.spark_conf(settings),
    }


def local_conf(settings: Settings) -> dict[str, str]:
    """Return the properties for a local master."""
    return {
        **common_conf(settings),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch_dir(settings)),
        "spark.sql.warehouse.dir": str(home_dir(settings) / "warehouse"),
        "spark.sql.shuffle.partitions": "4",
        "spark.databricks.delta.snapshotPartitions": "2",
        # Adaptive execution would run each stage as a job of its own.
        "spark.sql.adaptive.enabled": "false",
    }


def environment(settings: Settings, java: Path) -> dict[str, str]:
    """Return the environment of `spark-submit` with a local master; `java` is a Java home."""
    options = [*_JAVA_OPTIONS, *spark_cds_archive.jvm_options(cds_archive(java))]
    options += [f"-D{name}={value}" for name, value in local_conf(settings).items()]
    options += [f"-Djava.io.tmpdir={data_dir.temporary_dir(settings)}"]
    return {
        **driver_environment(settings, java),
        # Spark puts this folder on the classpath; it must not exist, for the class archive.
        "SPARK_CONF_DIR": str(home_dir(settings) / "no-conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        # Once the JVM runs it is too late for Spark to apply these as properties.
        "SPARK_DRIVER_MEMORY": f"{settings.spark_driver_memory_mb}m",
        "SPARK_DIST_CLASSPATH": ":".join(map(str, extra_classpath(settings))),
        "SPARK_SUBMIT_OPTS": shlex.join(options),
    }


def driver_environment(settings: Settings, java: Path) -> dict[str, str]:
    """Return the environment of a driver with any master, and of Airflow, which starts it."""
    modules = [
        ROOT / "include",
        ROOT / "spark_apps",
        *([openlineage.packages_dir()] if settings.openlineage else []),
    ]
    return {
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(jars.pyspark_home()),
        "PYSPARK_PYTHON": sys.executable,
        # glibc would give each of many threads a memory arena of its own.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": ":".join(map(str, modules)),
    }


def home_dir(settings: Settings) -> Path:
    return settings.data_dir / "spark"


def scratch_dir(settings: Settings) -> Path:
    """Return the folder of the temporary files of drivers; one that is killed leaves them behind."""
    return home_dir(settings) / "scratch"


def jar_groups(settings: Settings) -> list[str]:
    """Return the services of `locks/jars.lock` whose jars Spark needs."""
    return ["spark", *(["spark-openlineage"] if settings.openlineage else [])]


def extra_classpath(settings: Settings) -> list[Path]:
    """Return the jars after Spark's own: first those in the class archive, then the optional ones."""
    return jars.classpath(*jar_groups(settings))


def cds_archive(java: Path) -> Path:
    """Return the file of the class archive (see `spark_cds_archive`), which `start_cds_archive` creates.

    It is stored with the Python packages that have the jars, for all stacks that run from them.
    """
    classpath = [*sorted((jars.pyspark_home() / "jars").iterdir()), *jars.classpath("spark")]
    key = spark_cds_archive.cache_key(java, classpath, _JAVA_OPTIONS)
    return Path(sys.prefix) / "share" / "shopnow" / f"classes-{key}.jsa"


def start_cds_archive(settings: Settings, java: Path, marks: dict[str, str]) -> None:
    """Start to create the class archive in the background, at the lowest priority, unless it exists.

    Args:
        java: a Java home.
        marks: environment variables that identify the process.
    """
    if not (file := cds_archive(java)).exists():
        without_optional_jars = environment(settings.model_copy(update={"openlineage": None}), java)
        spark_cds_archive.create_in_background(
            file, without_optional_jars | marks, submit_command("warm_class_list.py")
        )


def submit_command(application: str, *arguments: str) -> list[str]:
    """Return the command line of an application of `spark_apps/`; to be run with `environment`."""
    return [
        str(jars.pyspark_home() / "bin" / "spark-submit"),
        "--master",
        MASTER,
        str(ROOT / "spark_apps" / application),
        *arguments,
    ]
