"""
### Turn raw records into events and KPIs, with Spark

One Spark job: new rows of `raw/{topic}` become typed, deduplicated rows of `events/{topic}`, each on its own event date;
then the KPI tables are computed anew for the dates that changed, and only for those.

| table | rows |
|---|---|
| `kpi/sales_hourly`, `_daily`, `_by_category`, `_by_country` | orders, units, gross merchandise value, payments, refunds, net revenue |
| `kpi/top_products` | products by revenue and by units, and how they moved |
| `kpi/funnel` | sessions that viewed, carted, ordered, paid, got their parcel |
| `kpi/payments`, `kpi/deliveries` | failure rate and recovery by method; on time, overdue, days to deliver |
| `kpi/customers`, `kpi/cohorts`, `kpi/customer_orders` | new and returning customers, monthly cohorts |
| `kpi/stock_position`, `_daily`, `_outs`, `_cover` | on hand, sold while in stock, stock-outs and what they cost, reorder points |
| `kpi/trends`, `kpi/anomalies` | week over week, hours unlike the usual |

Each figure is defined, in words, in `docs/kpis.md`.

**Late events** go to the date they happened on; the log says how many there were. What they change in figures that were published
after the date was over, it says as *restated*, and the table `restatements` keeps it, with before, after and why.

**Runs** when something landed, or by hand. It takes no params. Running it again with nothing new writes nothing.

**When it fails.** The Spark driver's log is in the task's log. Nothing half-done is visible: each table changes in one
commit that also says what it was made from, so the next run goes on from there. `raw_landed` waits for the first landing.

**Wakes** `watch_stock`, by the asset `kpis`.
"""

from datetime import timedelta

from airflow.providers.apache.hdfs.sensors.web_hdfs import WebHdfsSensor
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

from shopnow.dag_common import DEFAULTS, KPIS, LAKE_PATH, LAKE_URI, LONG, RAW, Tag, lower_priority
from shopnow.settings import ROOT

with DAG(
    dag_id="compute_kpis",
    description="raw → events → KPI tables, with Spark",
    doc_md=__doc__,
    schedule=[RAW],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.TRANSFORM},
) as dag:
    raw_landed = WebHdfsSensor(
        task_id="raw_landed",
        filepath=f"{LAKE_PATH}/raw",
        mode="reschedule",
        poke_interval=15,
        timeout=timedelta(minutes=15).total_seconds(),
        doc_md="Waits until the lake has raw tables: HDFS is up and something was landed.",
    )
    compute = SparkSubmitOperator(
        task_id="compute",
        application=str(ROOT / "spark_apps" / "compute_kpis.py"),
        application_args=["--lake", LAKE_URI],
        name="compute_kpis",
        execution_timeout=LONG,
        pre_execute=lower_priority,
        outlets=[KPIS],
    )
    raw_landed >> compute
