"""
### Erase a customer's personal data

Their id becomes a pseudonym, kept nowhere, and name and address become `erased`, in every raw and events table; of records in
quarantine that name them only place and problem stay. Figures do not change, `kpi/customer_orders` has the pseudonym too, and the audit
still holds: each change is on record, with the digests of the records before and after. The same as `./shopnow forget`.

**Runs** by hand, with the params `customer_id` and `confirm`, the same id once more: this cannot be undone.

**When it fails.**
- *not all of … is landed yet*: run `land_events`, then this again.
- *confirm*: the two ids differ; nothing was changed.
- Killed or failed half-way: run it again with the same params, and it completes.

What remains for a while is said by `forget`'s log: records in Kafka until their retention ends, replaced files until VACUUM.
"""

import logging

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.broker import topics
from shopnow.dag_common import DEFAULTS, LONG, Tag, kafka_conf, lake_uri
from shopnow.events import TOPICS
from shopnow.lake.governance import erasure
from shopnow.lake.ingest import lag

with DAG(
    dag_id="forget_customer",
    description="erases a customer's personal data from the lake",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.MAINTENANCE},
    params={
        "customer_id": Param("", type="string", minLength=1, maxLength=64, title="Customer's id"),
        "confirm": Param("", type="string", title="The same once more", description="it cannot be undone"),
        "why": Param(
            "the customer asked for it",
            type="string",
            minLength=1,
            title="Why",
            description="kept for ever: no names",
        ),
    },
) as dag:

    @task(execution_timeout=LONG)
    def forget() -> dict[str, int]:
        """Rows erased by table."""
        context = get_current_context()
        params = context["params"]
        if params["confirm"] != params["customer_id"]:
            raise AirflowFailException("confirm is not the customer's id; nothing was changed")
        lag.check_landed(kafka_conf(), lake_uri())
        done = erasure.forget(lake_uri(), params["customer_id"], why=params["why"], by=context["run_id"])
        for line in erasure.what_remains(done, topics.retention(kafka_conf(), TOPICS)):
            logging.getLogger("airflow.task").info(line)
        return {each.table: each.rows for each in done}

    forget()
