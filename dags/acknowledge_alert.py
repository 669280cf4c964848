"""
### Acknowledge an alert, or silence it for a while

The same as `./shopnow alerts ack` and `./shopnow alerts silence`; `./shopnow alerts` lists the alerts. The
buttons of the ShopNow+ tab trigger runs of this DAG. The action, its author and the reason stay in the table
`alerts`. A notification is sent when an acknowledged alert is resolved, and when a silence ends while its
alert still fires.

**Runs** by hand, with params:

| param | meaning |
|---|---|
| `action` | `acknowledge`: no more reminders. `silence`: no notifications before `until` |
| `alert` | fingerprint of the alert, such as `stock_out:p-001`, or name of a rule to silence |
| `until` | end of a silence |
| `reason` | kept permanently |

Acknowledge an alert when someone is working on it. Every message about an alert contains its fingerprint.

**When it fails.** The message names the invalid param and the alerts that exist. Nothing was changed.
"""

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.alerts import commands, time_parsing
from shopnow.dag_common import DEFAULT_ARGS, REFUSAL_KEY, Tag, lake_uri
from shopnow.errors import UserError

with DAG(
    dag_id="acknowledge_alert",
    description="Acknowledge or silence an alert",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
    params={
        "action": Param("acknowledge", enum=["acknowledge", "silence"], title="Action"),
        "alert": Param(
            "",
            type="string",
            title="Alert",
            description="Fingerprint of the alert, such as stock_out:p-001, or name of a rule to silence.",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Until",
            description="End of the silence; required to silence.",
        ),
        "reason": Param(
            "",
            type="string",
            maxLength=commands.MAX_REASON_LENGTH,
            title="Reason",
            description="Kept permanently.",
        ),
    },
) as dag:

    @task
    def act() -> dict:
        """Apply the action; return the alert's state or the silence."""
        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        attribution = commands.Attribution(
            f"{run.triggering_user_name or 'unknown'}, {run.run_id}", params["reason"]
        )
        try:
            if params["action"] == "acknowledge":
                alert = commands.acknowledge(lake_uri(), params["alert"], attribution)
                return {"alert": alert.fingerprint, "state": alert.state.value}
            if not params["until"]:
                raise UserError("a silence needs an end: set until to a future time")
            silence = commands.silence(
                lake_uri(), params["alert"], time_parsing.parse_time(params["until"]), attribution
            )
            return {"alert": silence.target, "silenced_until": silence.until.isoformat()}
        except UserError as error:  # a retry would fail the same way
            context["ti"].xcom_push(REFUSAL_KEY, str(error))
            raise AirflowFailException(str(error)) from None

    act()
