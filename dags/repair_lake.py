"""
### Restore damaged files of the lake

Reads every file of every table and its log, and restores the damaged ones. The same as `./shopnow repair`.

| damaged | restored from |
|---|---|
| raw | Kafka, or files that compaction has replaced, with the digests of the receipts |
| events, KPIs | raw, with Spark: a damaged day of events, a whole KPI table |
| receipts, losses, amendments, restatements | the commits that they are collected from |
| a checkpoint | the commits of its log |
| alerts, audits and other tables | nothing: see *beyond repair* |

**Runs** by hand, when `verify` or `audit_lake` reports that *files = log* is broken. It may run while data
flows: each table is replaced in one commit, and a run that is killed can be repeated. A lake without damage
stays as it is.

| param | meaning |
|---|---|
| `table` | only this table, such as `raw/orders`; all if empty |
| `dry_run` | show what is damaged in the log of the task, and change nothing |
| `acknowledge_loss` | reason to go on without rows that are beyond repair; recorded in the table `losses` |

**When it fails.**
- *beyond repair*: the message names the rows, and nothing of that table was changed. If Kafka no longer has
  them and no other file does, restore the table from a backup, or run it again with `acknowledge_loss`: the
  other rows are restored, and these are recorded as lost.
- *retention has removed records*: a damaged day of events cannot be computed again. Restore it from a backup.
- *the lake has no table*: the param `table` is misspelt; the message has the names. It does not retry.
- HDFS or Kafka is unreachable: the task retries. See `./shopnow status`.

**Triggers** `watch_stock` through the asset `kpis`, if Spark has computed KPIs.
"""

import logging

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.dag_common import (
    DEFAULT_ARGS,
    KPIS,
    LAKE_URI,
    LONG_TIMEOUT,
    Tag,
    kafka_conf,
    lake_uri,
    lower_priority,
)
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.maintenance import repair as lake_repair
from shopnow.settings import ROOT

log = logging.getLogger("airflow.task")

with DAG(
    dag_id="repair_lake",
    description="Restore damaged files of the lake",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "table": Param(
            None,
            type=["null", "string"],
            title="Table",
            description="Only this table, such as raw/orders; all if empty.",
        ),
        "dry_run": Param(
            False, type="boolean", title="Dry run", description="Show what is damaged, and change nothing."
        ),
        "acknowledge_loss": Param(
            None,
            type=["null", "string"],
            title="Acknowledge loss",
            description="Reason to go on without rows that are beyond repair; recorded for ever.",
        ),
    },
) as dag:

    @task(execution_timeout=LONG_TIMEOUT)
    def repair() -> list[dict[str, str]]:
        """Repair all but events and KPIs; return the outcome of each damaged table."""
        context = get_current_context()
        params = context["params"]
        reason = (params["acknowledge_loss"] or "").strip()
        try:
            outcomes = lake_repair.repair(
                kafka_conf(),
                lake_uri(),
                params["table"] or None,
                acknowledgement=Acknowledgement(reason, context["run_id"]) if reason else None,
                dry_run=params["dry_run"],
                report=lambda subject, detail: log.info("%s: %s", subject, detail),
            )
        except lake_repair.UnknownTable as error:
            raise AirflowFailException(f"table: {error}") from None
        for outcome in outcomes:
            log.info("%s: %s: %s", *outcome)
        return [outcome._asdict() for outcome in outcomes]

    @task.short_circuit
    def is_computation_needed(outcomes: list[dict[str, str]]) -> bool:
        return any(outcome["outcome"] == lake_repair.TO_COMPUTE for outcome in outcomes)

    @task
    def fail_beyond_repair(outcomes: list[dict[str, str]]) -> None:
        """Fail if a table is beyond repair: a task of its own, so that Spark computes the others."""
        if beyond := [outcome for outcome in outcomes if outcome["outcome"] == lake_repair.BEYOND]:
            raise AirflowFailException(
                "; ".join(f"{outcome['table']}: {outcome['detail']}" for outcome in beyond)
            )

    compute = SparkSubmitOperator(
        task_id="compute",
        application=str(ROOT / "spark_apps" / "repair_lake.py"),
        application_args=["--lake", LAKE_URI],
        name="repair_lake",
        execution_timeout=LONG_TIMEOUT,
        pre_execute=lower_priority,
        outlets=[KPIS],
    )
    repaired = repair()
    is_computation_needed(repaired) >> compute
    fail_beyond_repair(repaired)
