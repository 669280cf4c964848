"""
### Send your own events

Takes events as JSON, validates each against its definition, and sends it to the topic of its service. The
same as `./shopnow send`.

**Runs** by hand, with the form or `--conf`:

| param | meaning |
|---|---|
| `events` | one object, an array, or JSON lines, of any mix of types; as text, or with `--conf` as JSON |
| `partial` | send the valid events even if others are rejected; otherwise one rejected event stops all |

Example: `{"events": [{"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed my mind"}]}`

`event_id` (derived from the run id), `event_time` (the run's) and `schema_version` (the latest) are optional.
`docs/events.md` has the types and their fields, with an example of each.

**Result.** The log and the return value of `send` have a table: for each event the service, topic, partition,
offset and event id; for a rejected one, the invalid field and the reason.

**Exactly once.** All events are one Kafka transaction, with a record of their positions in the topic
`sent_batches`. A retried task, or a run cleared within 30 days, finds that record and sends nothing. To send
the same events again, trigger a new run.

**When it fails.**
- *… rejected*: correct the events named in the table and trigger it again; it does not retry.
- Kafka is unreachable: the task retries. See `./shopnow status`.

**Triggers** `land_events` through the asset `traffic`.
"""

import logging

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.dag_common import DEFAULT_ARGS, TRAFFIC, Tag, kafka_conf
from shopnow.submission.producer import BatchConflictError
from shopnow.submission.service import encode_events, submit
from shopnow.submission.validation import InvalidBatch
from shopnow.text_format import render_text

log = logging.getLogger(__name__)

with DAG(
    dag_id="send_events",
    description="Your own events → Kafka",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
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
            description="Send the valid events even if others are rejected.",
        ),
    },
) as dag:

    @task(outlets=[TRAFFIC])
    def send() -> dict:
        """Validate and send the events; return the report."""
        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        try:
            report = submit(
                kafka_conf(),
                f"{run.dag_id}/{run.run_id}",
                encode_events(params["events"]),
                run.run_after,
                partial=params["partial"],
            )
        except (BatchConflictError, InvalidBatch) as error:
            raise AirflowFailException(str(error)) from error
        for table in report.tables():
            log.info("\n%s", render_text(table))
        log.info(report.summary())
        if report.rejected and not report.sent:
            context["ti"].xcom_push("return_value", report.as_dict())
            raise AirflowFailException(report.summary())
        return report.as_dict()

    send()
