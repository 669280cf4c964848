"""
### Ask a person to approve a restock

A product is low or out of stock: how many pieces should be ordered, if any? The run waits until someone
answers in the UI (Browse, *Required Actions*) or through the API; it holds no worker slot. After an approval,
the supplier's delivery note waits in the folder `restock/ordered`, and `receive_restock` takes it when it is
due.

**Runs** when `watch_stock` opens the proposal of a stock alert, once until the alert is resolved, or by hand
with the form. At most three proposals of alerts are open at a time, those with the most money at risk; each
answer opens the next one (`docs/restock.md`):

| param | meaning |
|---|---|
| `product_id` | the product |
| `product_name` | display name of the product |
| `on_hand` | pieces in stock |
| `rule` | alert rule that fired, if any |
| `quantity` | pieces to suggest; computed if empty |

Example: `{"product_id": "p-041", "on_hand": 2}`

**Suggestion.** The quantity that brings the stock to its reorder point and covers the sales until the
delivery arrives, from `kpi/stock_cover`; 50 pieces, delivered immediately, for a product that is not in it.

**Answer.** *Approve*, optionally with other `pieces` and `delivered_in_days`, or *Reject*, either with a
`reason` if you wish, here or on the stock page of the ShopNow+ tab. The answer and its author are stored with
the question. Without an answer for three days the proposal is rejected; the alert keeps firing, and its
reminders continue.

**Withdrawn.** When the alert is resolved before anybody has answered, `watch_stock` clears the run, and the
task rejects the proposal itself, with the reason in the answer. A run started by hand is not touched.

**Exactly once.** The run id contains the alert, so each alert is proposed once. The number of the delivery
note derives from the run id, so a note that is dropped more than once is counted once.

**When it fails.**
- *approve*: the answer has pieces or days out of range, or arrived through the API within a second of the
  question, before the scheduler had registered the deferred task: the task asks again.
- *supply*: HDFS is unreachable; the task retries. See `./shopnow status`.
- `receive_restock` rejects a product that the shop does not have; its log has the reason.
"""

from datetime import UTC, datetime

from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import TaskAwaitingInput

from shopnow.alerts.order_suggestion import MAX_QUANTITY, suggest
from shopnow.dag_common import DEFAULT_ARGS, PROPOSALS, Tag, lake_uri
from shopnow.restock import backlog, inbox, proposals
from shopnow.restock.inbox import Inbox

SUGGESTION_KEY = "suggested"
MAX_REASON_LENGTH = 500


class RestockApproval(ApprovalOperator):
    """Ask for approval of the run's product, with the suggestion computed when the task runs.

    If the alert that proposed it is resolved, it is rejected at once, with the reason.
    """

    def execute(self, context):
        params = context["params"]
        suggestion = suggest(
            proposals.read_stock_cover(lake_uri(), params["product_id"]),
            params["on_hand"],
            params["quantity"],
        )
        self.subject, self.body = proposals.approval_prompt(params, suggestion)
        defaults = {"pieces": suggestion.quantity, "delivered_in_days": suggestion.lead_time_days}
        self.params.update(defaults)
        context["ti"].xcom_push(key=SUGGESTION_KEY, value=defaults)
        reason = backlog.withdrawal_reason(lake_uri(), context["run_id"])
        self.params["reason"] = reason and reason[:MAX_REASON_LENGTH]
        try:
            super().execute(context)
        except TaskAwaitingInput:
            if reason is None:
                raise
        # As if nobody had answered in time: only a trigger may answer for a person.
        trigger = HITLTrigger(
            ti_id=context["ti"].id,
            options=self.options,
            defaults=self.defaults,
            params=self.serialized_params,
            timeout_datetime=datetime.now(UTC),
        )
        self.defer(trigger=trigger, method_name="execute_complete")


with DAG(
    dag_id="approve_restock",
    description="A person approves a restock → delivery note",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    # Runs that are started by hand wait, too, until a person answers.
    max_active_runs=1000,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
    params={
        "product_id": Param("", type="string", minLength=1, maxLength=64, title="Product"),
        "product_name": Param("", type="string", title="Product name"),
        "on_hand": Param(
            0, type="integer", minimum=0, maximum=10**9, title="On hand", description="Pieces in stock."
        ),
        "rule": Param("", type="string", title="Rule", description="The alert rule that fired."),
        "quantity": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=MAX_QUANTITY,
            title="Quantity",
            description="Pieces to suggest; computed if empty.",
        ),
    },
) as dag:
    approve = RestockApproval(
        task_id="approve",
        subject="Restock?",
        params={
            "pieces": Param(
                1, type="integer", minimum=1, maximum=MAX_QUANTITY, title="Pieces", source="task"
            ),
            "delivered_in_days": Param(
                0.0, type="number", minimum=0, maximum=365, title="Delivered in days", source="task"
            ),
            # Not required: an answer without a reason is one, too.
            "reason": Param(
                None, type=["null", "string"], maxLength=MAX_REASON_LENGTH, title="Reason", source="task"
            ),
        },
        defaults=ApprovalOperator.REJECT,
        response_timeout=proposals.APPROVAL_TIMEOUT,
        execution_timeout=None,
        outlets=[PROPOSALS],
    )

    # One task, as Airflow's scheduler looks at every task of an open run in each of its loops.
    @task
    def supply(answer: dict) -> dict:
        """Write the delivery note, which is received when it is due; return the order and the note's path."""
        context = get_current_context()
        suggested = context["ti"].xcom_pull(task_ids="approve", key=SUGGESTION_KEY)
        order = proposals.approved_order(answer, suggested)
        name, data = proposals.make_delivery_note(
            context["run_id"], context["params"]["product_id"], order.pieces
        )
        box = Inbox(WebHDFSHook("webhdfs_default").get_conn(), inbox.inbox_path(lake_uri()))
        return {**order._asdict(), "note": box.order(name, data, datetime.fromisoformat(order.due))}

    supply(approve.output)
