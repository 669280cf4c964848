"""
### Evaluate the alert rules, and notify of what fires or is resolved

Evaluates the rules (`include/shopnow/alerts/rules.toml`, explained in `docs/alerts.md`) on stock, sales,
payments, deliveries and data quality, and sends the changes as one message by e-mail and one to Slack. Each
product with a new stock alert is also proposed for a restock.

**Runs** within seconds after a product on the topic `stock` sells out, falls below its limit, or is back in
stock; when the KPIs are updated; after an audit; when a restock proposal was answered; or by hand. It takes
no params.

**Restock proposals.** At most three are open at a time, each a run of `approve_restock`: those with the most
money at risk. The others wait as data, the alert itself, and `./shopnow alerts` lists them; each answer opens
the next one. A proposal whose alert is resolved is withdrawn. `docs/restock.md` explains it.

**Low latency.** It does not wait for landing or Spark: it reads `kpi/stock_position`, and from the topic the
events since that table was computed.

**A trigger event is only a hint.** A lost, duplicate or merged one changes nothing, because every run
evaluates everything. The trigger (`shopnow.alerts.trigger`) keeps no offset: it fires when it starts, so a
killed triggerer misses nothing.

**Responding.** `./shopnow alerts` lists the alerts; `acknowledge_alert` or `./shopnow alerts ack` and
`silence` stop reminders.

**In doubt.** While the last audit of the lake has failed, every message says so.

**No message lost or duplicated**, although up to three runs are active at once. The new alert states and the
messages to send are one commit of the `alerts` table; then the queued messages are sent and marked as sent.
A channel that is down does not block the others. A retry sends only what was not marked; a message repeated
after a crash has the same deduplication key. The run id of a proposal contains the alert, so there is one of
each; a run that was killed before it started a proposal's run leaves that to the next one.

**When it fails.**
- Mail or Slack is unreachable or refuses: the task retries with backoff, the message stays queued, and the
  next run sends it; after a day it is dead, and `./shopnow alerts` shows it. Connections: `smtp_default` and
  `slack_default`, or `slack_api_default` for a Slack bot.
- *all alerts are sent, except what failed*: the message names each metric, product or proposal with the
  reason. Everything else is evaluated and sent; what failed keeps its state, and the task retries.
- Kafka or HDFS is unreachable: the task retries. See `./shopnow status`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetWatcher, conf, get_current_context, task

from shopnow.alerts import channels
from shopnow.alerts.dispatcher import deliver
from shopnow.alerts.evaluate import evaluate
from shopnow.alerts.trigger import StockTrigger
from shopnow.dag_common import AUDIT, DEFAULT_ARGS, KPIS, PROPOSALS, Tag, kafka_conf, lake_uri
from shopnow.restock import backlog

STOCK = Asset(
    "stock",
    "shopnow://stock",
    group="shopnow",
    watchers=[AssetWatcher(name="stock_topic", trigger=StockTrigger())],
)
"""A product's stock crossed a limit on the topic; its events only trigger an evaluation."""

with DAG(
    dag_id="watch_stock",
    description="Alert rules on stock, sales and data → e-mail, Slack",
    doc_md=__doc__,
    schedule=STOCK | KPIS | AUDIT | PROPOSALS,
    catchup=False,
    # While one run waits for a channel that is down, another notifies through the channels that work.
    max_active_runs=3,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
) as dag:
    # One task, because each task costs seconds; a retry does not repeat what the evaluation has committed.
    @task(retry_delay=timedelta(seconds=5), priority_weight=100, weight_rule="absolute")
    def watch() -> dict:
        """Evaluate the rules and send the messages; return both results."""
        owner = get_current_context()["run_id"]
        evaluation = evaluate(
            lake_uri(),
            owner,
            conf=kafka_conf(),
            quarantine_limit=conf.getfloat("shopnow", "quarantine_limit"),
        )
        failures = list(evaluation["failures"])
        try:
            sent = deliver(lake_uri(), owner, channels.default(), conf.get("api", "base_url"))
        finally:
            # Open proposals even if a channel is down.
            proposals = backlog.advance(lake_uri(), evaluation["on_hand"])
            failures += proposals["failures"]
        if failures:
            raise RuntimeError(f"all alerts are sent, except what failed: {'; '.join(failures)}")
        counts = {name: count for name, count in evaluation.items() if name != "on_hand"}
        return {**counts, "sent": sent, "proposals": proposals}

    watch()
