"""
### Erase a customer's personal data

Replaces the customer's id with a pseudonym, which is stored nowhere, and name and address with `erased`, in
every raw and events table and in `kpi/customer_orders`. Of quarantined records that name the customer, also
compressed or encoded, only record id and reason remain. KPIs do not change, and the audit still passes: each
change is recorded with the digests of the records before and after. The same as `./shopnow forget`.

**Runs** by hand, with the params `customer_id` and `confirm`, the same id again: this cannot be undone. `why`
is kept permanently.

**When it fails.**
- *not all of … is landed yet*: run `land_events`, then run this again.
- *confirm*: the two ids differ; nothing was changed.
- Killed or failed midway: run it again with the same params; it completes the erasure.

The log of `forget` says what remains for how long: records in Kafka until their retention ends, replaced
files until VACUUM. Airflow itself keeps the params of runs that named the customer, this one included, and
the logs of their tasks: delete those runs on their DAG's page, and their folders among the task logs.
"""

import logging

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.broker import topics
from shopnow.dag_common import DEFAULT_ARGS, LONG_TIMEOUT, Tag, kafka_conf, lake_uri
from shopnow.events import TOPICS
from shopnow.lake.governance import erasure
from shopnow.lake.ingest import lag

with DAG(
    dag_id="forget_customer",
    description="Erase a customer's personal data from the lake",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "customer_id": Param("", type="string", minLength=1, maxLength=64, title="Customer id"),
        "confirm": Param(
            "", type="string", title="Confirm", description="The same id again; this cannot be undone."
        ),
        "why": Param(
            "the customer asked for it",
            type="string",
            minLength=1,
            title="Why",
            description="Kept permanently; do not enter personal data.",
        ),
    },
) as dag:

    @task(execution_timeout=LONG_TIMEOUT)
    def forget() -> dict[str, int]:
        """Return the number of rows erased, by table."""
        context = get_current_context()
        params = context["params"]
        if params["confirm"] != params["customer_id"]:
            raise AirflowFailException("confirm is not the customer's id; nothing was changed")
        lag.check_landed(kafka_conf(), lake_uri())
        erasures = erasure.erase_customer(
            lake_uri(), params["customer_id"], why=params["why"], by=context["run_id"]
        )
        for line in erasure.describe_remaining_copies(erasures, topics.read_retention(kafka_conf(), TOPICS)):
            logging.getLogger("airflow.task").info(line)
        return {table.table: table.rows for table in erasures}

    forget()
