"""
### Send management the report of a day

An e-mail with the KPIs of a day compared with the same day of the previous week: sales, products, conversion
funnel, payments, deliveries, customers, stock-outs and their cost, products to reorder, anomalous hours. It
says whether the KPIs are complete, and which published KPIs have changed. A PDF of the same content and every
table as CSV are attached.

**Runs** at 06:00 UTC for the previous day, or by hand for any day:

| param | meaning |
|---|---|
| `date` | the day, UTC; by default the day before the run |
| `recipients` | comma-separated addresses; by default `to_email` of the connection `smtp_default` |

Example: `{"date": "2026-11-20", "recipients": "board@example.com"}`

*caught_up* waits up to half an hour until the lake's events contain what Kafka received before the end of the
day; after that the report is sent and says what is missing. The same holds for a day without data, and for a
day that is not over, which is not compared with another.

**Sent at most once** per run, however often it is retried: the task stores that it is about to send before it
sends. If it dies then, or the server does not answer, the outcome is unknown; the task fails and is
not retried. To send a report again, trigger a new run.

**When it fails.**
- *the mail may have been accepted*, *ended while it sent the mail*: check whether the e-mail arrived; if
  not, trigger a new run for the date.
- *the mail server rejects*, *answers 5…*: fix the connection `smtp_default` or the recipients, then clear
  the task.
- The mail server or HDFS is unreachable: the task retries. See `./shopnow status`.
"""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from airflow.sdk import DAG, Param, PokeReturnValue, TriggerRule, conf, get_current_context, task

from shopnow.dag_common import DEFAULT_ARGS, Tag, every_day, kafka_conf, lake_uri, no_retry_of_user_errors
from shopnow.dates import end_of_day
from shopnow.lake.lineage.freshness import lagging_topics
from shopnow.notifications.mail import Mailer

# The date of a run is its logical date, or the date it was triggered.
DAY = "{{ params.date or macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"
_ADDRESS = r"[^\s,@<>\"]+@[^\s,@<>\"]+"

with DAG(
    dag_id="management_report",
    description="KPIs of a day for management, by e-mail",
    doc_md=__doc__,
    schedule=every_day(hour=6),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.REPORTS},
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="UTC; by default the day before the run.",
        ),
        "recipients": Param(
            None,
            type=["null", "string"],
            pattern=rf"^({_ADDRESS}(, *{_ADDRESS})*)?$(?!\n)",
            maxLength=1000,
            title="Recipients",
            description="Comma-separated addresses; by default those of the connection smtp_default.",
        ),
    },
) as dag:

    @task.sensor(mode="reschedule", poke_interval=30, timeout=timedelta(minutes=30).total_seconds())
    def caught_up(day: str) -> PokeReturnValue:
        """Wait until the lake has the events that Kafka received before the end of the day."""
        end = end_of_day(date.fromisoformat(day))
        return PokeReturnValue(
            is_done=end > datetime.now(UTC) or not lagging_topics(kafka_conf(), lake_uri(), end)
        )

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def send(day: str) -> bool:
        """Send the report; return True if this attempt sent it."""
        # Imported here because matplotlib takes a second to load, and this file is parsed often.
        from shopnow.reports.build import build_mail
        from shopnow.reports.send_once import send_once

        context = get_current_context()
        key = f"report-{day}-{sha256(context['run_id'].encode()).hexdigest()[:12]}"
        link = f"{conf.get('api', 'base_url').rstrip('/')}/dags/management_report"
        with no_retry_of_user_errors():
            return send_once(
                context["task_state_store"],
                lambda: build_mail(kafka_conf(), lake_uri(), date.fromisoformat(day), link, key),
                lambda mail: Mailer().post(mail, key, recipients=context["params"]["recipients"]),
            )

    caught_up(DAY) >> send(DAY)
