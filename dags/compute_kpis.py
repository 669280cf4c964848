"""
### Build events and KPIs from raw records with Spark

One Spark job: new rows of `raw/{topic}` become typed, deduplicated rows of `events/{topic}`, each on its own
event date; then the KPI tables are recomputed for the dates that changed, and only for those.

| table | content |
|---|---|
| `kpi/sales_hourly`, `kpi/sales_daily` | orders, units, GMV, payments, refunds, net revenue |
| `kpi/sales_by_category`, `kpi/sales_by_country` | the same by category and by country |
| `kpi/top_products` | products by revenue and by units, and their rank changes |
| `kpi/funnel` | sessions that viewed, added to cart, ordered, paid, received their parcel |
| `kpi/payments` | failure rate and recovery by payment method |
| `kpi/deliveries` | on time, overdue, days to deliver |
| `kpi/customers`, `kpi/cohorts`, `kpi/customer_orders` | new and returning customers, monthly cohorts |
| `kpi/stock_position`, `_daily` | on hand, sold while in stock |
| `kpi/stock_outs`, `kpi/stock_cover` | stock-outs and their cost, reorder points |
| `kpi/trends`, `kpi/anomalies` | week over week, anomalous hours |

GMV is the gross merchandise value. `docs/kpis.md` defines every column.

**Late events** count on the date they happened; the log has their number. If they change KPIs that were
published after the date was over, the log calls the date *restated*, and the table `restatements` keeps the
values before and after, and the reason.

**Runs** when records have landed, or by hand. It takes no params. With nothing new it writes nothing.

**Engine.** A small change is computed by the engine behind the connection `spark_connect_default`, which runs
all the time. A backlog, or an engine that does not answer, is left to `spark-submit` and the connection
`spark_default`; so is everything if `spark_connect_default` has no host. Both compute the same rows.

**When it fails.** The Spark driver's log is in the task log. No partial result is visible: each table changes
in one commit that also records its source versions, so the next run continues from there. While HDFS is
unreachable the task retries; see `./shopnow status`.

**Triggers** `watch_stock` through the asset `kpis`.
"""

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

from shopnow.dag_common import (
    DEFAULT_ARGS,
    KPIS,
    LAKE_URI,
    LONG_TIMEOUT,
    RAW,
    Tag,
    lake_uri,
    lower_priority,
    spark_connect_url,
)
from shopnow.settings import ROOT


class ComputeKpis(SparkSubmitOperator):
    """Refresh events and KPIs: with the engine that already runs if it can, else with spark-submit."""

    def execute(self, context):
        from shopnow_spark import small_changes

        if not (url := spark_connect_url()) or not small_changes.refresh(url, lake_uri()):
            super().execute(context)


with DAG(
    dag_id="compute_kpis",
    description="raw → events → KPI tables, with Spark",
    doc_md=__doc__,
    schedule=[RAW],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.TRANSFORM},
) as dag:
    # The only task, without a sensor in front of it, as each task delays the figures by seconds.
    ComputeKpis(
        task_id="compute",
        application=str(ROOT / "spark_apps" / "compute_kpis.py"),
        application_args=["--lake", LAKE_URI],
        name="compute_kpis",
        execution_timeout=LONG_TIMEOUT,
        pre_execute=lower_priority,
        outlets=[KPIS],
    )
