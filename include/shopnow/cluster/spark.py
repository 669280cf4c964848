"""Spark on a cluster: a standalone master, its workers and the history server, and what drivers are to know of them.

Every container is of the same image, so the library, the applications and Delta's jars are where the driver has them.
"""

import os
from pathlib import Path

from shopnow.cluster import connections
from shopnow.cluster.settings import NAMENODE, RUN, SPARK_MASTER, Cluster, host, secret
from shopnow.local_stack import jars, spark
from shopnow.settings import Settings

CONF_DIR = RUN / "spark"
LOGS = "/spark-logs"
"""The folder on HDFS where drivers write what the history server shows."""


def conf(cluster: Cluster, settings: Settings) -> dict[str, str]:
    """The settings of drivers, executors, master, workers and history server, by name."""
    hdfs = f"hdfs://{NAMENODE}:{settings.ports['namenode']}"
    classpath = ":".join(map(str, spark.classpath(settings)))
    return {
        **spark.shared(settings),
        "spark.authenticate": "true",
        "spark.authenticate.secret": secret("spark_secret"),
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
        "spark.local.dir": str(spark.home(settings) / "scratch"),
        "spark.sql.warehouse.dir": str(spark.home(settings) / "warehouse"),
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"{hdfs}{LOGS}",
        "spark.history.fs.logDirectory": f"{hdfs}{LOGS}",
        "spark.history.fs.cleaner.enabled": "true",
        # Jobs come from drivers, which know the secret, and not over HTTP.
        "spark.master.rest.enabled": "false",
        # A master that was killed knows its workers and applications again.
        "spark.deploy.recoveryMode": "FILESYSTEM",
        "spark.deploy.recoveryDirectory": str(spark.home(settings) / "recovery"),
    }


def prepare(cluster: Cluster, settings: Settings) -> None:
    """Writes the settings where Spark looks for them, for this container's user only."""
    CONF_DIR.mkdir(parents=True, exist_ok=True)
    for folder in ("recovery", "scratch"):
        (spark.home(settings) / folder).mkdir(parents=True, exist_ok=True)
    file = CONF_DIR / "spark-defaults.conf"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.writelines(f"{name} {value}\n" for name, value in conf(cluster, settings).items())


def environment(cluster: Cluster, settings: Settings, java: Path) -> dict[str, str]:
    return {
        **spark.driver_environment(settings, java),
        "SPARK_CONF_DIR": str(CONF_DIR),
        "SPARK_DAEMON_MEMORY": f"{cluster.spark_daemon_memory_mb}m",
    }


def master() -> list[str]:
    """The master's command line."""
    address = ["--host", SPARK_MASTER, "--port", str(connections.SPARK_PORT), "--webui-port", "8080"]
    return _command("master.Master", *address)


def worker(cluster: Cluster, settings: Settings) -> list[str]:
    """A worker's command line."""
    offer = ["--cores", str(cluster.spark_worker_cores), "--memory", f"{cluster.spark_worker_memory_mb}m"]
    place = ["--host", host(), "--webui-port", "8081", "--work-dir", str(spark.home(settings) / "work")]
    return _command("worker.Worker", *place, *offer, f"spark://{SPARK_MASTER}:{connections.SPARK_PORT}")


def history() -> list[str]:
    """The history server's command line."""
    return _command("history.HistoryServer")


def _command(daemon: str, *arguments: str) -> list[str]:
    return [str(jars.pyspark_home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{daemon}", *arguments]
