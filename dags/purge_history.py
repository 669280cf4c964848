"""
### Purge old runs, their logs and leftover files

Finished runs, their logs and the files that services leave behind grow with every run. This DAG deletes those
older than `SHOPNOW_HISTORY_DAYS`, so that a stack is as quick after a year as on its first day:

| task | deletes |
|---|---|
| *database* | finished runs from Airflow's database, with their tasks and XComs; old events and logs there |
| *task_logs* | the logs of these runs, on this machine and, if Airflow uploads them, on HDFS |
| *files* | logs of the DAG processor; temporary files of killed Spark drivers, after a day |
| *alert_log* | rows of the table `alerts` that no alert, silence or unsent message needs |
| *delivery_notes* | delivery notes in `restock/done` and `restock/rejected`; Kafka keeps their keys |

**Kept**, however old: runs that are queued, running or waiting for a person or a delivery, with all that
belongs to them; the newest run of each DAG and type; all other tables of the lake; what Kafka holds.
`docs/retention.md` lists how long everything is kept.

**Runs** at 03:20 UTC, or by hand with the form. It is idempotent; each task is independent of the others.

| param | meaning |
|---|---|
| `dry_run` | only report what would be deleted |

Example: `{"dry_run": true}`

Each task logs and returns what it deleted, with its size.

**When it fails.** Every task is retried, and the next run deletes the rest.
- *database*, *task_logs*: the connection `airflow_db`, to Airflow's metadata database, does not answer or is
  not defined. The local stack and the containers define it.
- *task_logs*, *alert_log*, *delivery_notes*: HDFS is unreachable. See `./shopnow status`.
- *Permission denied*: files belong to another user; delete them by hand, or change their owner.
"""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.sdk import DAG, Param, conf, get_current_context, task

from shopnow.alerts import retention as alert_retention
from shopnow.dag_common import DEFAULT_ARGS, LONG_TIMEOUT, Tag, airflow_database, every_day, lake_uri
from shopnow.history import airflow_database as metadata
from shopnow.history import old_files
from shopnow.history import task_logs as run_logs
from shopnow.restock.inbox import Inbox, inbox_path

log = logging.getLogger(__name__)

SCRATCH_AGE = timedelta(days=1)
"""Longer than any Spark job runs."""


def history_start() -> datetime:
    return datetime.now(UTC) - timedelta(days=conf.getint("shopnow", "history_days"))


def is_dry_run() -> bool:
    return get_current_context()["params"]["dry_run"]


with DAG(
    dag_id="purge_history",
    description="Deletion of old runs, their logs and leftover files",
    doc_md=__doc__,
    schedule=every_day(hour=3, minute=20),
    catchup=False,
    max_active_runs=1,
    default_args={**DEFAULT_ARGS, "execution_timeout": LONG_TIMEOUT},
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Only report what would be deleted."
        )
    },
) as dag:

    @task
    def database() -> dict:
        """Return the deleted rows by table, and the size of the database before and after."""
        connection = airflow_database()
        size = metadata.size(connection)
        rows = metadata.purge(connection, history_start(), is_dry_run())
        result = {"rows": rows, "bytes_before": size, "bytes": metadata.size(connection)}
        log.info("%s", result)
        return result

    @task
    def task_logs() -> dict:
        """Return the number and size of the deleted folders, by place."""
        before, dry_run = history_start(), is_dry_run()
        kept = metadata.kept_runs(airflow_database(), before)
        base = Path(conf.get("logging", "base_log_folder"))
        removed = {"local": run_logs.purge_local(base, kept, before, dry_run)._asdict()}
        if conf.getboolean("logging", "remote_logging"):
            client = WebHDFSHook(conf.get("logging", "remote_log_conn_id")).get_conn()
            folder = urlsplit(conf.get("logging", "remote_base_log_folder")).path
            removed["hdfs"] = run_logs.purge_hdfs(client, folder, kept, before, dry_run)._asdict()
        log.info("%s", removed)
        return removed

    @task
    def files() -> dict:
        """Return the number and size of the deleted files, by kind."""
        logs = Path(conf.get("logging", "dag_processor_child_process_log_directory"))
        scratch = Path(conf.get("shopnow", "spark_scratch"))
        removed = {
            "dag_processor": old_files.purge(logs, history_start(), is_dry_run())._asdict(),
            "spark": old_files.purge(scratch, datetime.now(UTC) - SCRATCH_AGE, is_dry_run())._asdict(),
        }
        log.info("%s", removed)
        return removed

    @task
    def alert_log() -> int:
        """Return the number of deleted rows."""
        return alert_retention.purge(lake_uri(), history_start(), is_dry_run())

    @task
    def delivery_notes() -> dict:
        """Return the number and size of the deleted delivery notes."""
        box = Inbox(WebHDFSHook("webhdfs_default").get_conn(), inbox_path(lake_uri()))
        removed = box.purge(history_start(), is_dry_run())._asdict()
        log.info("%s", removed)
        return removed

    database()
    task_logs()
    files()
    alert_log()
    delivery_notes()
