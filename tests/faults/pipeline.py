"""Whole steps of the pipeline, which tests run between faults."""

import os
import subprocess

from faults.services import Services
from shopnow.events import TOPICS
from shopnow.failpoints import ENV_VARIABLE
from shopnow.lake.ingest.landing import land
from shopnow.local_stack import jvm, spark
from support import isolated_process


def land_all(services: Services, lake: str) -> None:
    """Land all topics of the shop."""
    for topic in TOPICS.values():
        isolated_process.call(land, services.conf, lake, topic)


def run_spark(
    services: Services, lake: str, kill_at: str = "", application: str = "compute_kpis.py", *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a Spark application; `kill_at` names a failpoint at which the driver is killed."""
    settings = services.settings
    environment = os.environ | spark.environment(settings, jvm.java_home(settings.data_dir))
    environment |= {ENV_VARIABLE: kill_at, "PYTHONPATH": os.environ["PYTHONPATH"]}
    command = spark.submit_command(application, "--lake", lake, *arguments)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
