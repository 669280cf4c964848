"""
### Have a person decide on a restock

A product ran low or out: how many pieces are to be ordered, if any? The run waits, without holding a worker, for an
answer in the UI (Browse, *Required Actions*) or through the API; approved, the supplier's delivery note lies in the inbox of
`receive_restock` when it is due.

**Runs** when `watch_stock` finds a product low or out, once until it is well again, or by hand with the form:

| param | what |
|---|---|
| `product_id` | the product |
| `product_name` | what people call it |
| `on_hand` | pieces that are left |
| `rule` | the alert rule, if it was one |
| `quantity` | pieces to suggest; worked out if left empty |

Example: `{"product_id": "p-041", "on_hand": 2}`

**What is suggested.** As many pieces as take the stock to its reorder point and cover what is sold until the delivery comes, from
`kpi/stock_cover`; 50, delivered at once, for a product that is not in it.

**The answer.** *Approve*, with other `pieces` and `delivered_in_days` if wished, or *Reject*, with a `reason`; who answered
what stays with the question. Without an answer for three days it counts as rejected; the alert stands, and is told again.

**Exactly once.** The run id has the alert in it, so each is asked about once. The note has its number from the run; however often
it is dropped, it is counted once.

**When it fails.**
- *approve*: the answer has pieces or days out of their limits, or came in the very second the question did, by the API, before the
  scheduler had seen that the task waits: it asks again.
- *supply*: HDFS unreachable; it retries by itself; see `./shopnow status`.
- What the shop does not know is rejected by `receive_restock`, whose log says why.
"""

from datetime import timedelta

from airflow.providers.apache.hdfs.hooks.webhdfs import WebHDFSHook
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensor
from airflow.sdk import DAG, Param, get_current_context, task

from shopnow.dag_common import DEFAULTS, Tag, lake_uri
from shopnow.restock import inbox, proposals
from shopnow.restock.inbox import Inbox

SUGGESTED = "suggested"


class RestockApproval(ApprovalOperator):
    """Asks about the product of the run, with what is suggested by the time it asks filled in."""

    def execute(self, context):
        asked = context["params"]
        suggestion = proposals.suggest(
            proposals.cover(lake_uri(), asked["product_id"]), asked["on_hand"], asked["quantity"]
        )
        self.subject, self.body = proposals.question(asked, suggestion)
        filled_in = {"pieces": suggestion.quantity, "delivered_in_days": suggestion.lead_time_days}
        self.params.update(filled_in)
        context["ti"].xcom_push(key=SUGGESTED, value=filled_in)
        super().execute(context)


with DAG(
    dag_id="approve_restock",
    description="A person approves a restock → delivery note",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1000,  # each waits for a person
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.ALERTS},
    params={
        "product_id": Param("", type="string", minLength=1, maxLength=64, title="Product"),
        "product_name": Param("", type="string", title="Its name"),
        "on_hand": Param(0, type="integer", minimum=0, title="On hand", description="Pieces that are left."),
        "rule": Param("", type="string", title="Rule", description="The alert rule that fired."),
        "quantity": Param(
            None, type=["null", "integer"], minimum=1, title="Quantity", description="Pieces to suggest."
        ),
    },
) as dag:
    approve = RestockApproval(
        task_id="approve",
        subject="Restock?",
        params={
            "pieces": Param(1, type="integer", minimum=1, maximum=1_000_000, title="Pieces", source="task"),
            "delivered_in_days": Param(
                0.0, type="number", minimum=0, maximum=365, title="Delivered in days", source="task"
            ),
            "reason": Param("", type="string", maxLength=500, title="Reason", source="task"),
        },
        defaults=ApprovalOperator.REJECT,
        response_timeout=proposals.ANSWER_WITHIN,
        execution_timeout=None,
    )

    @task
    def order(answer: dict) -> dict:
        """What was ordered, and when it is due."""
        suggested = get_current_context()["ti"].xcom_pull(task_ids="approve", key=SUGGESTED)
        return proposals.ordered(answer, suggested)._asdict()

    delivery_due = DateTimeSensor(
        task_id="delivery_due",
        target_time="{{ ti.xcom_pull('order')['due'] }}",
        mode="reschedule",
        poke_interval=30,
        timeout=timedelta(days=366).total_seconds(),
        execution_timeout=None,
    )

    @task
    def supply(ordered: dict) -> str:
        """Where the delivery note was dropped."""
        context = get_current_context()
        name, data = proposals.note(context["run_id"], context["params"]["product_id"], ordered["pieces"])
        box = Inbox(WebHDFSHook("webhdfs_default").get_conn(), inbox.path(lake_uri()))
        return box.drop(name, data)

    ordered = order(approve.output)
    ordered >> delivery_due >> supply(ordered)
