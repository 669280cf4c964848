"""
### Generate shop traffic into Kafka

Simulates shoppers who view, fill carts, order, pay and get their parcels, and writes what they do to the six topics.
The shop goes on from where the last run left it: stock, customers and orders carry over.

**Runs** every five minutes, lightly (`SHOPNOW_TRAFFIC=off` turns that off), or by hand with the form:

| param | what |
|---|---|
| `sessions` | shoppers' sessions to simulate, about eight events each |
| `seed` | same seed and same shop, same events; empty: taken from the run's id |
| `payment_failure_rate` | share of payment attempts that fail, 0 to 1 |

Example: `{"sessions": 500, "seed": 7, "payment_failure_rate": 0.25}`

**Exactly once.** Events, the ledger of them and the shop's state are written in Kafka transactions, a few hundred
sessions each. A run that is killed and tried again goes on after its last transaction; a run that is done does nothing.

**When it fails.** Kafka unreachable: the task retries by itself; see `./shopnow status`. A fenced producer: another run
of this DAG took over, nothing to do.

**Wakes** `land_events`, by the asset `traffic`.
"""

from zlib import crc32

from airflow.sdk import DAG, Param, conf, get_current_context, task

from shopnow.traffic.generate import generate
from shopnow.workflow import DEFAULTS, LONG, TRAFFIC, Tag, every_five_minutes, kafka_conf

with DAG(
    dag_id="generate_traffic",
    description="Simulated shoppers → Kafka",
    doc_md=__doc__,
    schedule=every_five_minutes() if conf.getboolean("shopnow", "traffic") else None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    params={
        "sessions": Param(
            20, type="integer", minimum=1, maximum=1_000_000, title="Sessions", description="Shoppers' sessions to simulate."
        ),
        "seed": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            maximum=2**63 - 1,
            title="Seed",
            description="Same seed and same shop, same events. Empty: taken from the run's id.",
        ),
        "payment_failure_rate": Param(
            0.1, type="number", minimum=0, maximum=1, title="Payment failure rate", description="Share of payment attempts that fail."
        ),
    },
) as dag:

    @task(outlets=[TRAFFIC], execution_timeout=LONG)
    def simulate() -> dict:
        context = get_current_context()
        run_id, params = context["run_id"], context["params"]
        seed = params["seed"] if params["seed"] is not None else crc32(run_id.encode())
        return generate(kafka_conf(), run_id, params["sessions"], seed, params["payment_failure_rate"])._asdict()

    simulate()
