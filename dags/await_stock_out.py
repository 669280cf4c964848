"""
### Wait for a stock-out on the topic

A deferrable sensor reads the `stock` topic as it is written; when a product's stock falls to zero it ends, and its asset
wakes `land_events`, so that the alert does not wait for the next scheduled landing. No worker is held while it waits.

**Runs** always: as soon as one run ends, the next begins. It takes no params.

**A wake-up is only a hint.** Stock and alerts are read from the lake. A wake-up that is lost or doubled (the sensor commits
its offset before the run goes on) changes nothing: the schedule of `land_events` comes along anyway.

**When it fails.** Kafka unreachable: it retries by itself. Connection: `kafka_stock_out`.
"""

from datetime import timedelta

from airflow.providers.apache.kafka.sensors.kafka import AwaitMessageSensor
from airflow.sdk import DAG

from shopnow.workflow import CONTINUOUS, DEFAULTS, STOCK_OUT, Tag

with DAG(
    dag_id="await_stock_out",
    description="Kafka sensor: a product sold out",
    doc_md=__doc__,
    schedule="@continuous",
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
    **CONTINUOUS,
) as dag:
    AwaitMessageSensor(
        task_id="stock_out",
        kafka_config_id="kafka_stock_out",
        topics=["stock"],
        apply_function="shopnow.alerts.wakeup.stock_out",
        poll_interval=1,
        timeout=timedelta(days=7).total_seconds(),
        execution_timeout=None,
        outlets=[STOCK_OUT],
    )
