"""
### Make a day anew from raw, and prove that nothing changed

One Spark job: the events of a day are made anew from the raw records that they were made from, its KPI rows from those
events, by the same functions as in `compute_kpis`. The log gives each table's digest of the day's rows, which does not depend on their
order. *same digest*: what is there is right, and nothing is written. *rebuilt: digest … -> …*: it was not, and is now, in one
commit a table; if that changes figures published before, it is a *restatement* (see `compute_kpis`).

**Runs** every night for the day before, as a standing proof. Any other day:

| to rebuild | do |
|---|---|
| a day | trigger it with `date`, such as `2026-11-20` |
| a range of days | `airflow backfill create --dag-id rebuild_day --from-date 2026-11-01 --to-date 2026-11-20` |
| a day again | clear its run |

What landing has read is not touched: no offset moves, and records that are not in `events` yet are left to `compute_kpis`, beside
which it may run. Repeating it writes nothing. A day no record of which has landed is skipped.

**When it fails.**
- *retention has removed records*: raw no longer has all that the day was made from. The day stays as it was made of them.
- HDFS unreachable: the task retries by itself; see `./shopnow status`.

**Wakes** `watch_stock`, by the asset `kpis`: the stock position is made anew if stock events of the day were.
"""

from datetime import date

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task

from shopnow.dag_common import DEFAULTS, KPIS, LAKE_URI, LONG, Tag, lake_uri, lower_priority
from shopnow.lake.lineage import day_offsets
from shopnow.settings import ROOT

# A run's logical date is its day: with an interval a nightly run has that of the day that is over.
DAY = "{{ params.date or (dag_run.logical_date or dag_run.run_after) | ds }}"

with DAG(
    dag_id="rebuild_day",
    description="a day's events and KPIs anew from raw, with Spark",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            description="the day, UTC; by default that of the logical date",
        )
    },
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
) as dag:

    @task.short_circuit
    def landed(day: str) -> list[str]:
        """The topics of which events of the day may have landed."""
        return day_offsets.landed(lake_uri(), date.fromisoformat(day))

    rebuild = SparkSubmitOperator(
        task_id="rebuild",
        application=str(ROOT / "spark_apps" / "rebuild_day.py"),
        application_args=["--lake", LAKE_URI, "--date", DAY],
        name="rebuild_day",
        execution_timeout=LONG,
        pre_execute=lower_priority,
        outlets=[KPIS],
    )
    landed(DAY) >> rebuild
