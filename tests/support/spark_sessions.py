"""Fixtures with a session of each engine: Spark, and Sail for tests that only need results."""

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from shopnow.local_stack import sail as local_sail
from shopnow.local_stack import spark as local_spark
from shopnow.local_stack import stack as local_stack
from shopnow.local_stack import supervision
from shopnow.settings import Settings
from shopnow_spark import connect, jobs
from shopnow_spark.lake_reader import is_remote_session
from shopnow_spark.result import Refreshed
from support.free_ports import settings_on_free_ports

# Tests have few rows, so each further partition would only add a task to schedule.
ONE_PARTITION = {
    "spark.default.parallelism": "1",
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
}


LOCAL_RELATIONS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.session.localRelationCacheThreshold": str(1 << 30),
    "spark.sql.session.localRelationSizeLimit": str(1 << 30),
    "spark.sql.session.localRelationChunkSizeRows": "10000",
    "spark.sql.session.localRelationChunkSizeBytes": str(1 << 24),
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": str(1 << 30),
    "spark.sql.execution.pandas.inferPandasDictAsMap": "false",
    "spark.sql.execution.pandas.convertToArrowArraySafely": "false",
    "spark.sql.pyspark.inferNestedDictAsStruct.enabled": "false",
    "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled": "false",
    "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled": "false",
}
"""Properties that Spark's client asks for before it sends rows, and that Sail does not know."""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A Spark session with the settings of the local stack but few partitions, in a JVM of the suite."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("spark"))
    java_home = local_stack.install(settings, lambda subject, what: None)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in local_spark.environment(settings, java_home).items():
            environment.setenv(name, value)
        # The last of repeated options counts, as the JVM reads them in order.
        partitions = [f"-D{name}={value}" for name, value in ONE_PARTITION.items()]
        environment.setenv("SPARK_SUBMIT_OPTS", " ".join([os.environ["SPARK_SUBMIT_OPTS"], *partitions]))
        session = SparkSession.builder.master(local_spark.MASTER).appName("tests").getOrCreate()
    # py4j still logs at interpreter exit, to a stream that is closed by then.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    yield session
    session.stop()


@contextmanager
def run_sail(directory: Path, *, is_confined: bool) -> Iterator[str]:
    """Run Sail on a free port; yield its address."""
    settings = settings_on_free_ports(directory)
    url = f"sc://127.0.0.1:{settings.ports['sail']}"
    confined = local_sail.command(settings)
    command = confined if is_confined else local_sail.program(confined[confined.index("--ip") :])
    server = subprocess.Popen(command, env={**os.environ, **local_sail.environment(settings)})
    try:
        assert supervision.wait_until(lambda: local_sail.answers(url), 60)
        yield url
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def sail_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Sail that also reads lakes in folders."""
    with run_sail(tmp_path_factory.mktemp("sail"), is_confined=False) as url:
        yield url


@pytest.fixture(scope="session")
def sail(sail_url: str) -> Iterator[SparkSession]:
    """A session of Sail; a refresh takes a fraction of the time of Spark's."""
    with connect.session(sail_url, Settings()) as session:
        for name, value in LOCAL_RELATIONS.items():
            session.conf.set(name, value)
        yield session


@pytest.fixture(scope="session")
def refresh(sail: SparkSession) -> Callable[[str], dict[str, Refreshed]]:
    """Compute events and KPIs of a lake from its raw tables; returns the results by table."""
    return lambda lake: refresh_with(sail, lake)


def refresh_with(engine: SparkSession, lake: str) -> dict[str, Refreshed]:
    with connect.column_functions() if is_remote_session(engine) else nullcontext():
        return {result.table: result for result in jobs.refresh(lake, lambda: engine)}
