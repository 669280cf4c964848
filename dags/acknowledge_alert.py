"""
### Take care of an alert, or keep it silent for a while

The same as `./shopnow alerts ack` and `./shopnow alerts silence`; `./shopnow alerts` lists what fires. The buttons of the ShopNow+ tab
start runs of it. What was said, by whom and why stays in the table `alerts`. The end of an acknowledged alert is told; so is what still
fires when a silence is over.

**Runs** by hand, with params:

| param | |
|---|---|
| `action` | `acknowledge`: somebody takes care of it, it is not told again. `silence`: nothing is told of it before `until` |
| `alert` | the alert's fingerprint, such as `stock_out:p-001`; each message names it. To silence all of a rule's, the rule's name |
| `until` | when a silence ends |
| `reason` | kept for ever |

**When it fails.** The message says what is wrong with the params, and which alerts fire. Nothing was changed.
"""

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.alerts import commands, time_parsing
from shopnow.dag_common import DEFAULTS, REFUSED, Tag, lake_uri
from shopnow.errors import UserError

with DAG(
    dag_id="acknowledge_alert",
    description="acknowledge or silence an alert",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
    params={
        "action": Param("acknowledge", enum=["acknowledge", "silence"], title="Action"),
        "alert": Param(
            "",
            type="string",
            title="Alert",
            description="Its fingerprint, such as stock_out:p-001, or a rule to silence.",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Until",
            description="When a silence ends.",
        ),
        "reason": Param(
            "", type="string", maxLength=commands.LONGEST_WHY, title="Reason", description="Kept for ever."
        ),
    },
) as dag:

    @task
    def act() -> dict:
        """What holds now."""
        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        word = commands.Attribution(
            f"{run.triggering_user_name or 'unknown'}, {run.run_id}", params["reason"]
        )
        try:
            if params["action"] == "acknowledge":
                alert = commands.acknowledge(lake_uri(), params["alert"], word)
                return {"alert": alert.fingerprint, "state": alert.state.value}
            if not params["until"]:
                raise UserError("a silence needs an end: give until")
            made = commands.silence(lake_uri(), params["alert"], time_parsing.moment(params["until"]), word)
            return {"alert": made.target, "silenced_until": made.until.isoformat()}
        except UserError as error:  # trying again would not help
            context["ti"].xcom_push(REFUSED, str(error))
            raise AirflowFailException(str(error)) from None

    act()
