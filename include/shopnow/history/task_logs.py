"""Purge of task logs: a folder per DAG run, on this machine, and on HDFS if Airflow uploads logs there.

A folder is deleted if its run is not kept (`airflow_database.kept_runs`) and nothing in it is recent. So the
log of a run that waits for a year stays, and so does that of a run which has just been created.
"""

import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from shopnow.history.airflow_database import RunKey
from shopnow.history.removed import Removed

Client = Any
"""An hdfs.Client, as returned by WebHDFSHook.get_conn."""

_DAG, _RUN = "dag_id=", "run_id="


def purge_local(base: Path, kept: Collection[RunKey], before: datetime, dry_run: bool = False) -> Removed:
    """Delete the folders of runs that are not kept from Airflow's log folder.

    Raises:
        OSError: a folder cannot be deleted; the next purge deletes the rest.
    """
    kept_folders, sizes = _folders(kept), []
    for folder in base.glob(f"{_DAG}*/{_RUN}*"):
        if (folder.parent.name, folder.name) in kept_folders:
            continue
        statuses = [path.stat() for path in (folder, *folder.rglob("*"))]
        if max(status.st_mtime for status in statuses) < before.timestamp():
            sizes.append(sum(status.st_size for status in statuses if not S_ISDIR(status.st_mode)))
            if not dry_run:
                shutil.rmtree(folder)
    return Removed(len(sizes), sum(sizes))


def purge_hdfs(
    client: Client, base: str, kept: Collection[RunKey], before: datetime, dry_run: bool = False
) -> Removed:
    """Delete the folders of runs that are not kept from the folder of uploaded logs.

    Raises:
        HdfsError, OSError: HDFS refuses or does not answer; the next purge deletes the rest.
    """
    kept_folders, sizes = _folders(kept), []
    for dag_folder in client.list(base) if client.status(base, strict=False) else []:
        if not dag_folder.startswith(_DAG):
            continue
        for run_folder, status in client.list(f"{base}/{dag_folder}", status=True):
            is_kept = not run_folder.startswith(_RUN) or (dag_folder, run_folder) in kept_folders
            if is_kept or status["modificationTime"] >= before.timestamp() * 1000:
                continue
            path = f"{base}/{dag_folder}/{run_folder}"
            sizes.append(client.content(path)["length"])
            if not dry_run:
                client.delete(path, recursive=True)
    return Removed(len(sizes), sum(sizes))


def _folders(runs: Collection[RunKey]) -> set[tuple[str, str]]:
    """Return the names of the runs' folders; on the cluster they have no colons."""
    return {
        (f"{_DAG}{dag_id}", f"{_RUN}{name}")
        for dag_id, run_id in runs
        for name in (run_id, run_id.replace(":", "_"))
    }
