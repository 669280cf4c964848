"""
### Keep the lake in few, ordered files, and remove what is no longer needed

Three steps, each of which leaves every table whole whenever it is stopped:

1. **expire**: raw records past `SHOPNOW_RAW_RETENTION_DAYS` (kept for ever by default) are removed, whole days at a time,
   if the events tables were made from them. What was removed is on record, so receipts can still be compared.
2. **compact**: the small files of closed dates become one or a few large ones, with Spark: raw in the order of its offsets,
   events in that of time. It is committed only if the files written, read back, hold the very rows that were read.
3. **vacuum**: files that no table has held for `SHOPNOW_VACUUM_HOURS` (a week by default), and those that killed writers
   left behind, are removed from HDFS. Versions that audits still need stay.

**Runs** every hour, or by hand with the form, also while data flows. Run again, it finds nothing to do and starts no Spark.

| param | what |
|---|---|
| `before` | dates before this one are closed, and compacted; today (UTC) if empty |

Example: `{"before": "2026-11-24"}`

**When it fails.**
- *compacted files do not hold the rows that were read*: nothing was committed, the table is as it was. The message names
  table and partition; run it again, and if it comes again, look at the memory and the disks of the machine.
- *others changed the files*: others were faster, three times over; the next run does it.
- HDFS unreachable: the task retries by itself; see `./shopnow status`.
"""

from datetime import UTC, datetime

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Param, conf, get_current_context, task

from shopnow.dag_common import DEFAULTS, LAKE_URI, LONG, Tag, every_hour, lake_uri, lower_priority
from shopnow.lake.maintenance import retention
from shopnow.lake.maintenance import vacuum as lake_vacuum
from shopnow.settings import ROOT

with DAG(
    dag_id="compact_lake",
    description="Few large files of the many small ones; retention",
    doc_md=__doc__,
    schedule=every_hour(after=50),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "before": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Before",
            description="Dates before this one are closed, and compacted. Empty: today (UTC).",
        )
    },
) as dag:

    @task
    def expire() -> list[dict]:
        """What was removed from each raw table."""
        days = conf.get("shopnow", "raw_retention_days")
        if not days:
            return []
        by = get_current_context()["run_id"]
        return [
            each._asdict() for each in retention.expire(lake_uri(), int(days), datetime.now(UTC).date(), by)
        ]

    compact = SparkSubmitOperator(
        task_id="compact",
        application=str(ROOT / "spark_apps" / "compact_lake.py"),
        application_args=["--lake", LAKE_URI, "--before", "{{ params.before or 'today' }}"],
        name="compact_lake",
        execution_timeout=LONG,
        pre_execute=lower_priority,
    )

    @task
    def vacuum() -> dict[str, int]:
        """Files removed, by table."""
        return lake_vacuum.vacuum(lake_uri(), conf.getint("shopnow", "vacuum_hours"))

    expire() >> compact >> vacuum()
