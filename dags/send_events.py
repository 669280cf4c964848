"""
### Send your own events

Takes events as JSON, checks each against its definition, and sends it to the topic of its service. The same as `./shopnow send`.

**Runs** by hand, with the form or `--conf`:

| param | what |
|---|---|
| `events` | one object, an array, or JSON lines, of any mix of types; as text, or with `--conf` as JSON itself |
| `partial` | send the valid events though others are rejected; otherwise one that is rejected keeps all back |

Example: `{"events": [{"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}]}`

`event_id` (made from the run's id), `event_time` (the run's) and `schema_version` (the latest) may be left out. The types and their
fields, with an example of each, are in docs/events.md.

**Answers** with a table in `send`'s log and return value: which service received an event, topic, partition, offset and
event id; for one that was rejected, which field is to blame and why.

**Exactly once.** All events are one Kafka transaction, with a record in the topic `sent_batches` of where they went. A task that is
tried again, or a run that is cleared within 30 days, finds that record and sends nothing. To send the same again, trigger a new run.

**When it fails.**
- *… rejected*: correct what the table names, and trigger it again; it is not tried again by itself.
- Kafka unreachable: the task retries by itself; see `./shopnow status`.

**Wakes** `land_events`, by the asset `traffic`.
"""

import logging

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.dag_common import DEFAULTS, TRAFFIC, Tag, kafka_conf
from shopnow.submission.service import submit, to_bytes
from shopnow.submission.validation import InvalidBatch
from shopnow.text_format import as_text

log = logging.getLogger(__name__)

with DAG(
    dag_id="send_events",
    description="Your own events → Kafka",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    params={
        "events": Param(
            "",
            type=["string", "array", "object"],
            format="multiline",
            title="Events",
            description="JSON: one object, an array, or one object on each line.",
        ),
        "partial": Param(
            False,
            type="boolean",
            title="Partial",
            description="Send the valid events though others are rejected.",
        ),
    },
) as dag:

    @task(outlets=[TRAFFIC])
    def send() -> dict:
        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        try:
            report = submit(
                kafka_conf(),
                f"{run.dag_id}/{run.run_id}",
                to_bytes(params["events"]),
                run.run_after,
                partial=params["partial"],
            )
        except InvalidBatch as error:
            raise AirflowFailException(str(error)) from error
        for table in report.tables():
            log.info("\n%s", as_text(table))
        log.info(report.summary())
        if report.rejected and not report.sent:
            context["ti"].xcom_push("return_value", report.as_dict())
            raise AirflowFailException(report.summary())
        return report.as_dict()

    send()
