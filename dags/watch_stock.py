"""
### Watch the figures, and tell when something is wrong or well again

Compares stock, sales, payments, deliveries and the state of the data with the rules (`include/shopnow/alerts/rules.toml`,
explained in `docs/alerts.md`) and sends what changed, as one message by e-mail and one to Slack.

**Runs** when the KPIs are up to date, when the lake was audited, or by hand. It takes no params.

**Acting.** `./shopnow alerts` lists what fires; `acknowledge_alert` or `./shopnow alerts ack` and `silence` stop reminders.

**In doubt.** While the last audit of the lake has found a difference, every message says so.

**Nothing lost, nothing twice.** `evaluate` writes the alerts' new states and the messages to send in one commit of the
`alerts` table; `deliver` then sends what is queued and marks it sent; a channel that is down holds back no other. Running
it again sends only what was not marked; a message repeated after a crash carries the same dedup key.

**When it fails.** Mail or Slack unreachable or refusing: the task retries with growing delays, the message stays queued
and the next run sends it; after a day it is dead, and `./shopnow alerts` says so. Connections: `smtp_default` and
`slack_default`, or `slack_api_default` for a Slack bot.
"""

from airflow.sdk import DAG, conf, get_current_context, task

from shopnow.alerts import channels
from shopnow.alerts.delivery import deliver as deliver_queued
from shopnow.alerts.watch import evaluate as evaluate_stock
from shopnow.workflow import AUDIT, DEFAULTS, KPIS, Tag, lake_uri

with DAG(
    dag_id="watch_stock",
    description="what is wrong with stock, sales or data → e-mail, Slack",
    doc_md=__doc__,
    schedule=KPIS | AUDIT,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
) as dag:

    @task
    def evaluate() -> dict:
        return dict(evaluate_stock(lake_uri(), owner=get_current_context()["run_id"]))

    @task
    def deliver() -> list[dict]:
        """The messages sent by this run."""
        owner = get_current_context()["run_id"]
        return [dict(each) for each in deliver_queued(lake_uri(), owner, channels.default(), conf.get("api", "base_url"))]

    evaluate() >> deliver()
