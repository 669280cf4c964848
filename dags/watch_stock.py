"""
### Watch the figures, and tell when something is wrong or well again

Compares stock, sales, payments, deliveries and the state of the data with the rules (`include/shopnow/alerts/rules.toml`,
explained in `docs/alerts.md`) and sends what changed, as one message by e-mail and one to Slack. Each product of which an alert
begins is also put before a person: a run of `approve_restock`.

**Runs** within seconds of a product selling out, falling low, or being well again on the topic `stock`, when the KPIs are up to
date, when the lake was audited, or by hand. It takes no params.

**At once.** It does not wait for landing or Spark: it reads `kpi/stock_position`, and from the topic what came since that table
was made.

**A wake-up is only a hint.** One that is lost, doubled or merged with another changes nothing, as every run looks at everything.
The trigger (`shopnow.alerts.trigger`) keeps no offset: it fires when it starts, so a triggerer that was killed misses nothing.

**Acting.** `./shopnow alerts` lists what fires; `acknowledge_alert` or `./shopnow alerts ack` and `silence` stop reminders.

**In doubt.** While the last audit of the lake has found a difference, every message says so.

**Nothing lost, nothing twice**, though up to three run at once. The alerts' new states and the messages to send are one commit
of the `alerts` table; then what is queued is sent and marked sent; a channel that is down holds back no other. Tried again, it
sends only what was not marked; a message repeated after a crash carries the same dedup key. A proposal has its alert in its run
id, so there is one of each.

**When it fails.** Mail or Slack unreachable or refusing: the task retries with growing delays, the message stays queued
and the next run sends it; after a day it is dead, and `./shopnow alerts` says so. Connections: `smtp_default` and
`slack_default`, or `slack_api_default` for a Slack bot. Kafka or HDFS unreachable: it retries by itself; see `./shopnow status`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetWatcher, conf, get_current_context, task

from shopnow.airflow_internals import trigger_run_from_task
from shopnow.alerts import channels
from shopnow.alerts.dispatcher import deliver
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.trigger import StockTrigger
from shopnow.dag_common import AUDIT, DEFAULT_ARGS, KPIS, Tag, kafka_conf, lake_uri
from shopnow.restock import proposals

STOCK = Asset(
    "stock",
    "shopnow://stock",
    group="shopnow",
    watchers=[AssetWatcher(name="stock_topic", trigger=StockTrigger())],
)
"""A product's stock crossed a limit on the topic; only a wake-up."""

with DAG(
    dag_id="watch_stock",
    description="what is wrong with stock, sales or data → e-mail, Slack",
    doc_md=__doc__,
    schedule=STOCK | KPIS | AUDIT,
    catchup=False,
    # While one waits for a channel that is down, another looks and tells of what is new by those that are not.
    max_active_runs=3,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
) as dag:
    # One task, as each costs seconds; what the first half of it has committed, its retry does not do again.
    @task(retry_delay=timedelta(seconds=5), priority_weight=100, weight_rule="absolute")
    def watch() -> dict:
        """What was found, and the messages sent by this run."""
        owner = get_current_context()["run_id"]
        found = evaluate(lake_uri(), owner, conf=kafka_conf())
        try:
            sent = deliver(lake_uri(), owner, channels.default(), conf.get("api", "base_url"))
        finally:
            # A channel that is down holds back no proposal.
            for each in found["proposed"]:
                trigger_run_from_task("approve_restock", proposals.run_id(each), proposals.asked(each))
        return {**found, "sent": sent}

    watch()
