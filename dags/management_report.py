"""
### Send management the report of a day

A mail with the figures of a day beside those of the same day of the week before: sales, products, the way from a view to a
delivery, payments, deliveries, customers, stock-outs and what they cost, what to reorder, hours unlike the usual. It says whether
the figures are complete, and which published ones have changed. The same is attached as PDF, every table as CSV.

**Runs** at 06:00 UTC for the day before, or by hand for any:

| param | what |
|---|---|
| `date` | the day, UTC; by default the day before the run's |
| `recipients` | addresses, comma-separated; by default `to_email` of the connection `smtp_default` |

Example: `{"date": "2026-11-20", "recipients": "board@example.com"}`

*caught_up* waits until what came to Kafka before the day's end is in the lake's events, for half an hour at most; then the report is
sent as it is, and says what it lacks. So it does for a day that is not over, which is compared with no other, and for one without figures.

**Sent at most once** a run, however often it is tried: the task remembers that it handed the mail over. If it dies in that moment, or the
server does not answer, nobody knows whether the mail was taken; then it fails, and is not tried again. To send a report once more,
trigger a new run.

**When it fails.**
- *the mail may have been taken*, *ended as it handed the mail over*: look whether it came; if not, trigger a new run for the date.
- *the mail server rejects*, *answers 5…*: mend the connection `smtp_default` or the recipients, then clear the task.
- Mail server or HDFS unreachable: the task retries by itself; see `./shopnow status`.
"""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from airflow.sdk import DAG, Param, PokeReturnValue, TriggerRule, conf, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.dag_common import DEFAULTS, Tag, every_day, kafka_conf, lake_uri
from shopnow.dates import end_of_day
from shopnow.errors import UserError
from shopnow.lake.lineage.freshness import lagging_topics
from shopnow.notifications.mail import Email

# A run's date is that of its schedule, or when it was triggered.
DAY = "{{ params.date or macros.ds_add((dag_run.logical_date or dag_run.run_after) | ds, -1) }}"
_ADDRESS = r"[^\s,@<>\"]+@[^\s,@<>\"]+"

with DAG(
    dag_id="management_report",
    description="The figures of a day for management, by e-mail",
    doc_md=__doc__,
    schedule=every_day(hour=6),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.REPORTS},
    params={
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="UTC; by default the day before the run's",
        ),
        "recipients": Param(
            None,
            type=["null", "string"],
            pattern=rf"^({_ADDRESS}(, *{_ADDRESS})*)?$(?!\n)",
            maxLength=1000,
            title="Recipients",
            description="Addresses, comma-separated; by default those of the connection smtp_default",
        ),
    },
) as dag:

    @task.sensor(mode="reschedule", poke_interval=30, timeout=timedelta(minutes=30).total_seconds())
    def caught_up(day: str) -> PokeReturnValue:
        end = end_of_day(date.fromisoformat(day))
        return PokeReturnValue(
            is_done=end > datetime.now(UTC) or not lagging_topics(kafka_conf(), lake_uri(), end)
        )

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def send(day: str) -> bool:
        """Whether this try sent the mail."""
        # What draws charts takes a second to load, which is not to be spent whenever this file is looked at.
        from shopnow.reports.build import make
        from shopnow.reports.send_once import send_once

        context = get_current_context()
        key = f"report-{day}-{sha256(context['run_id'].encode()).hexdigest()[:12]}"
        link = f"{conf.get('api', 'base_url')}/dags/management_report"
        try:
            return send_once(
                context["task_state_store"],
                lambda: make(kafka_conf(), lake_uri(), date.fromisoformat(day), link, key),
                lambda mail: Email().post(mail, key, context["params"]["recipients"]),
            )
        except UserError as error:
            raise AirflowFailException(str(error)) from None

    caught_up(DAY) >> send(DAY)
