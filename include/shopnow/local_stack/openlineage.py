"""Lineage by OpenLineage, of DAGs, tasks and Spark jobs, to a file or an API. Off unless one is given.

Airflow's provider and Spark's listener are fetched when they are first wanted, and are on their paths only while they are: the
provider, merely installed and switched off, would add 0.8 s and 20 MB to every process that submits a Spark job.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from shopnow.errors import UserError
from shopnow.local_stack import jars, optional_packages
from shopnow.settings import ROOT, Settings

NAMESPACE = "shopnow"
LOCK = ROOT / "locks/openlineage.txt"


def airflow_options(settings: Settings) -> dict[str, Any]:
    """The provider's, by section and option of Airflow's configuration."""
    if settings.openlineage is None:
        return {"OPENLINEAGE__DISABLED": True}
    to = settings.openlineage
    transport = (
        {"type": "http", "url": to} if _is_api(to) else {"type": "file", "log_file_path": to, "append": True}
    )
    return {
        "OPENLINEAGE__DISABLED": False,
        "OPENLINEAGE__NAMESPACE": NAMESPACE,
        "OPENLINEAGE__TRANSPORT": json.dumps(transport),
        # A Spark job says which task it belongs to.
        "OPENLINEAGE__SPARK_INJECT_PARENT_JOB_INFO": True,
    }


def spark_conf(settings: Settings) -> dict[str, str]:
    """Spark's settings, by name; none when it is off."""
    if settings.openlineage is None:
        return {}
    to = "url" if _is_api(settings.openlineage) else "location"
    return {
        "spark.extraListeners": "io.openlineage.spark.agent.OpenLineageSparkListener",
        "spark.openlineage.namespace": NAMESPACE,
        "spark.openlineage.transport.type": "http" if _is_api(settings.openlineage) else "file",
        f"spark.openlineage.transport.{to}": settings.openlineage,
    }


def _is_api(address: str) -> bool:
    return address.startswith("http")


def packages_dir() -> Path:
    """The folder of the provider and what it needs beyond our locked packages; not there before `install`."""
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return jars.cache_dir().parent / f"openlineage-{key}-{sys.implementation.cache_tag}"


def install() -> None:
    """Installs the provider by its lock, if it is not there.

    Raises:
        UserError: the package index was not reached.
    """
    if packages_dir().exists():
        return
    packages_dir().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=packages_dir().parent) as folder:
        target = Path(folder) / "packages"
        if not optional_packages.install(LOCK, "--target", target, "--compile-bytecode"):
            raise UserError(
                "could not install the OpenLineage provider from PyPI (see above): check the network, or unset SHOPNOW_OPENLINEAGE"
            )
        if not packages_dir().exists():
            target.rename(packages_dir())
