"""OpenLineage events of DAGs, tasks and Spark jobs, sent to a file or an API; off unless one is configured.

Airflow's provider and Spark's listener are downloaded at their first use, and are on the import path and the
classpath only while lineage is on: the provider, installed but switched off, would add 0.8 s and 20 MB to
every process that submits a Spark job.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from shopnow.local_stack import jars, optional_packages
from shopnow.settings import ROOT, Settings

NAMESPACE = "shopnow"
LOCK = ROOT / "locks/openlineage.txt"


def airflow_options(settings: Settings) -> dict[str, Any]:
    """Return the provider's options, keyed SECTION__OPTION."""
    target = settings.openlineage
    if target is None:
        return {"OPENLINEAGE__DISABLED": True}
    transport = (
        {"type": "http", "url": target}
        if _is_api(target)
        else {"type": "file", "log_file_path": target, "append": True}
    )
    return {
        "OPENLINEAGE__DISABLED": False,
        "OPENLINEAGE__NAMESPACE": NAMESPACE,
        "OPENLINEAGE__TRANSPORT": json.dumps(transport),
        # The events of a Spark job name the task that submitted it.
        "OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO": True,
    }


def spark_conf(settings: Settings) -> dict[str, str]:
    """Return the properties of Spark's listener; empty when lineage is off."""
    target = settings.openlineage
    if target is None:
        return {}
    target_property = "url" if _is_api(target) else "location"
    return {
        "spark.extraListeners": "io.openlineage.spark.agent.OpenLineageSparkListener",
        "spark.openlineage.namespace": NAMESPACE,
        "spark.openlineage.transport.type": "http" if _is_api(target) else "file",
        f"spark.openlineage.transport.{target_property}": target,
    }


def _is_api(target: str) -> bool:
    return target.startswith("http")


def packages_dir() -> Path:
    """Return the folder of the provider and its dependencies beyond our locked packages; see `install`."""
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return jars.cache_dir().parent / f"openlineage-{key}-{sys.implementation.cache_tag}"


def install() -> None:
    """Install the provider by its lock file, unless it is installed.

    Raises:
        UserError: the package index is unreachable.
    """
    if packages_dir().exists():
        return
    packages_dir().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=packages_dir().parent) as folder:
        target = Path(folder) / "packages"
        optional_packages.install(
            "the OpenLineage provider of SHOPNOW_OPENLINEAGE", LOCK, "--target", target, "--compile-bytecode"
        )
        if not packages_dir().exists():
            target.rename(packages_dir())
