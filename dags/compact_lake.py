"""
### Compact small files, expire old records, and vacuum

Once HDFS is up and records have landed, three steps; stopping any of them at any point leaves every table
consistent:

1. **expire**: removes raw records older than `SHOPNOW_RAW_RETENTION_DAYS` (kept forever by default), whole
   days at a time, once the events tables have been built from them. The removal is recorded, so receipts can
   still be compared.
2. **compact**: Spark rewrites the small files of closed dates into one or a few large ones, raw sorted by
   offset, events by time. The rewrite is committed only if the new files, read back, contain exactly the
   rows that were read.
3. **vacuum**: removes files from HDFS that no table version has referenced for `SHOPNOW_VACUUM_HOURS` (a week
   by default), and files left behind by killed writers. Versions that audits still need are kept.

**Runs** every hour, or by hand with the form, also while data flows. It is idempotent: with nothing to do it
does not start Spark.

| param | meaning |
|---|---|
| `before` | dates before this one are closed and compacted; today (UTC) if empty |

Example: `{"before": "2026-11-24"}`

**When it fails.**
- *compacted files do not hold the rows that were read*: nothing was committed, the table is unchanged. The
  message names table and partition. Run it again; if it fails again, check the machine's memory and disks.
- *concurrent commits changed the files*: three attempts lost to other commits; the next run retries.
- HDFS is unreachable: the task retries. See `./shopnow status`.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.apache.hdfs.sensors.web_hdfs import WebHdfsSensor
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Param, conf, get_current_context, task

from shopnow.dag_common import (
    DEFAULT_ARGS,
    LAKE_PATH,
    LAKE_URI,
    LONG_TIMEOUT,
    Tag,
    every_hour,
    lake_uri,
    lower_priority,
)
from shopnow.lake.maintenance import retention
from shopnow.lake.maintenance import vacuum as lake_vacuum
from shopnow.settings import ROOT

with DAG(
    dag_id="compact_lake",
    description="Compaction, retention and VACUUM of the lake",
    doc_md=__doc__,
    schedule=every_hour(after=50),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "before": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Before",
            description="Dates before this one are closed and compacted; today (UTC) if empty.",
        )
    },
) as dag:
    raw_landed = WebHdfsSensor(
        task_id="raw_landed",
        filepath=f"{LAKE_PATH}/raw",
        mode="reschedule",
        poke_interval=15,
        timeout=timedelta(minutes=15).total_seconds(),
        soft_fail=True,
        doc_md="Waits until the lake has raw tables; if it has none for 15 minutes, the run is skipped.",
    )

    @task
    def expire() -> list[dict]:
        """Return what was removed from each raw table."""
        days = conf.get("shopnow", "raw_retention_days")
        if not days:
            return []
        by = get_current_context()["run_id"]
        return [
            removal._asdict()
            for removal in retention.expire(lake_uri(), int(days), datetime.now(UTC).date(), by)
        ]

    compact = SparkSubmitOperator(
        task_id="compact",
        application=str(ROOT / "spark_apps" / "compact_lake.py"),
        application_args=["--lake", LAKE_URI, "--before", "{{ params.before or 'today' }}"],
        name="compact_lake",
        execution_timeout=LONG_TIMEOUT,
        pre_execute=lower_priority,
    )

    @task
    def vacuum() -> dict[str, int]:
        """Return the number of files removed, by table."""
        return lake_vacuum.vacuum(lake_uri(), conf.getint("shopnow", "vacuum_hours"))

    raw_landed >> expire() >> compact >> vacuum()
