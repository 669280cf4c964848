"""
### Rebuild a day from raw, and prove that nothing changed

One Spark job recomputes the events of a day from the raw records they were built from, and its KPI rows from
those events, with the functions that `compute_kpis` uses. The log has an order-independent digest of the
day's rows for each table. *same digest*: the table is right and nothing is written. *rebuilt: digest …*:
the table was wrong and has been replaced, in one commit per table; if that changes published KPIs, it is a
*restatement* (see `compute_kpis`).

**Runs** every night for the previous day, as a continuous proof. Other days:

| to rebuild | do this |
|---|---|
| a day | trigger it with `date`, such as `2026-11-20` |
| a range of days | run the backfill below |
| a day again | clear its run |

    airflow backfill create --dag-id rebuild_day --from-date 2026-11-01 --to-date 2026-11-20

Landing is not affected: no offset moves, and records that are not in `events` yet are left to `compute_kpis`,
which may run at the same time. It is idempotent. A day without landed records is skipped.

**When it fails.**
- *retention has removed records*: raw no longer has all records of the day. The day stays unchanged, and it
  does not retry.
- HDFS is unreachable: the task retries. See `./shopnow status`.

**Triggers** `watch_stock` through the asset `kpis`: the stock position is recomputed if the day's
stock events were.
"""

from datetime import date

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task

from shopnow.dag_common import (
    DEFAULT_ARGS,
    KPIS,
    LAKE_URI,
    LONG_TIMEOUT,
    Tag,
    lake_uri,
    lower_priority,
    no_retry_of_user_errors,
)
from shopnow.lake.lineage import day_offsets
from shopnow.settings import ROOT

# The logical date is the day to rebuild: a data interval gives a nightly run the day that has ended.
DAY = "{{ params.date or (dag_run.logical_date or dag_run.run_after) | ds }}"

with DAG(
    dag_id="rebuild_day",
    description="Rebuild a day's events and KPIs from raw, with Spark",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            description="Day to rebuild, UTC; by default the logical date.",
        )
    },
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
) as dag:

    @task.short_circuit
    def landed(day: str) -> list[str]:
        """Return the topics that may have landed events of the day."""
        with no_retry_of_user_errors():
            return day_offsets.topics_with_events(lake_uri(), date.fromisoformat(day))

    rebuild = SparkSubmitOperator(
        task_id="rebuild",
        application=str(ROOT / "spark_apps" / "rebuild_day.py"),
        application_args=["--lake", LAKE_URI, "--date", DAY],
        name="rebuild_day",
        execution_timeout=LONG_TIMEOUT,
        pre_execute=lower_priority,
        outlets=[KPIS],
    )
    landed(DAY) >> rebuild
