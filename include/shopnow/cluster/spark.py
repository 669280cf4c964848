"""Standalone Spark cluster: master, workers and history server, and the configuration of drivers.

All containers run the same image, so executors find the library, the applications and Delta's jars at the
driver's paths.
"""

import os
from pathlib import Path

from shopnow.cluster import connections
from shopnow.cluster.secret_files import derive_key, write_private_file
from shopnow.cluster.settings import NAMENODE, RUN_DIR, SPARK_MASTER, ClusterSettings, hostname
from shopnow.local_stack import jars, spark
from shopnow.settings import Settings

CONF_DIR = RUN_DIR / "spark"
EVENT_LOGS = "/spark-logs"
"""HDFS directory of the event logs, which drivers write and the history server reads."""


def conf(cluster: ClusterSettings, settings: Settings) -> dict[str, str]:
    """Build the Spark configuration shared by drivers, executors, master, workers and history server."""
    hdfs = f"hdfs://{NAMENODE}:{settings.ports['namenode']}"
    classpath = ":".join(map(str, spark.extra_classpath(settings)))
    return {
        **spark.common_conf(settings),
        "spark.authenticate": "true",
        "spark.authenticate.secret": derive_key("spark_secret"),
        "spark.network.crypto.enabled": "true",
        "spark.driver.extraClassPath": classpath,
        "spark.driver.memory": f"{settings.spark_driver_memory_mb}m",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -Duser.timezone=UTC",
        "spark.executor.extraClassPath": classpath,
        "spark.executor.memory": f"{cluster.spark_executor_memory_mb}m",
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "spark.hadoop.fs.defaultFS": hdfs,
        "spark.hadoop.dfs.replication": str(cluster.hdfs_replicas),
        "spark.local.dir": str(spark.scratch_dir(settings)),
        "spark.sql.warehouse.dir": str(spark.home_dir(settings) / "warehouse"),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"{hdfs}{EVENT_LOGS}",
        "spark.history.fs.logDirectory": f"{hdfs}{EVENT_LOGS}",
        # Event logs, and the folders of ended applications on the workers, are deleted after a week.
        "spark.history.fs.cleaner.enabled": "true",
        "spark.worker.cleanup.enabled": "true",
        # Drivers connect with the shared secret, which the REST submission gateway does not check.
        "spark.master.rest.enabled": "false",
        # A restarted master recovers its workers and applications.
        "spark.deploy.recoveryMode": "FILESYSTEM",
        "spark.deploy.recoveryDirectory": str(spark.home_dir(settings) / "recovery"),
    }


def prepare(cluster: ClusterSettings, settings: Settings) -> None:
    """Write `spark-defaults.conf`, which holds the secret, and create the directories of the daemons."""
    CONF_DIR.mkdir(parents=True, exist_ok=True)
    for folder in ("recovery", "scratch"):
        (spark.home_dir(settings) / folder).mkdir(parents=True, exist_ok=True)
    options = conf(cluster, settings)
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    write_private_file(CONF_DIR / "spark-defaults.conf", text)


def environment(cluster: ClusterSettings, settings: Settings, java_home: Path) -> dict[str, str]:
    """Build the environment of Spark's daemons and drivers."""
    return {
        **spark.driver_environment(settings, java_home),
        "SPARK_CONF_DIR": str(CONF_DIR),
        "SPARK_DAEMON_MEMORY": f"{cluster.spark_daemon_memory_mb}m",
    }


def master() -> list[str]:
    """Return the master's command line."""
    address = ["--host", SPARK_MASTER, "--port", str(connections.SPARK_PORT), "--webui-port", "8080"]
    return _command("master.Master", *address)


def worker(cluster: ClusterSettings, settings: Settings) -> list[str]:
    """Return a worker's command line."""
    resources = ["--cores", str(cluster.spark_worker_cores), "--memory", f"{cluster.spark_worker_memory_mb}m"]
    address = ["--host", hostname(), "--webui-port", "8081"]
    work_dir = ["--work-dir", str(spark.home_dir(settings) / "work")]
    master_url = f"spark://{SPARK_MASTER}:{connections.SPARK_PORT}"
    return _command("worker.Worker", *address, *work_dir, *resources, master_url)


def history() -> list[str]:
    """Return the history server's command line."""
    return _command("history.HistoryServer")


def _command(daemon: str, *arguments: str) -> list[str]:
    return [str(jars.pyspark_home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{daemon}", *arguments]
