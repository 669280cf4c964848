"""
### Generate shop traffic into Kafka

Simulates shoppers who view products, fill carts, order, pay and receive parcels, and writes their events to
the six topics. The shop continues from the state of the last run: stock, customers and orders carry over.

**Runs** every five minutes, lightly (`SHOPNOW_TRAFFIC=off` disables that), or by hand with the form:

| param | meaning |
|---|---|
| `scenario` | normal day, flash sale, payment provider outage, supplier delay, bot traffic, slow week |
| `sessions` | visits to simulate, about 7 events each |
| `sessions_per_day` | instead of `sessions`: visits on an average day, multiplied by the scenario |
| `start`, `end`, `hours` | period to simulate; by default since the shop's last run, 24 hours at most |
| `seed` | same seed, params and shop state, same events; derived from the run id if empty |
| `pace` | full speed, or real time: in step with the wall clock, for half an hour at most |
| `late`, `out_of_order`, `duplicate`, `malformed` | shares of records with that fault, each in the ledger |
| `clock_skew_seconds` | clock skew of the servers |
| `schema_v1` | share of events of the older schema version |

A flash sale of three hours: `{"scenario": "flash_sale", "sessions": 5000}`. Four weeks of history, in a new
shop: `{"hours": 672, "sessions_per_day": 20000}`. Injected faults:
`{"sessions": 2000, "late": 0.02, "duplicate": 0.05, "malformed": 0.01}`.

**Exactly once.** The records, their ledger rows and the shop's state are written in Kafka transactions of a
few thousand sessions each. A run that is killed and retried continues after its last transaction; a run that
is complete does nothing. `./shopnow ledger` shows the ground truth.

**When it fails.**
- A param is invalid, or params contradict each other: the message names them; it does not retry.
- Kafka is unreachable or rejected a record: the task retries. See `./shopnow status`.
- The producer was fenced: another run of this DAG has taken over; nothing to do.
- The shop has already simulated the period: its history cannot be rewritten. Leave the period empty, or
  start a new shop.

**Triggers** `land_events` through the asset `traffic`.
"""

from airflow.sdk import DAG, Param, conf, get_current_context, task

from shopnow.dag_common import (
    DEFAULT_ARGS,
    LONG_TIMEOUT,
    TRAFFIC,
    Tag,
    every_five_minutes,
    kafka_conf,
    no_retry_of_user_errors,
)
from shopnow.traffic import dag_params

with DAG(
    dag_id="generate_traffic",
    description="Simulated shoppers → Kafka",
    doc_md=__doc__,
    schedule=every_five_minutes() if conf.getboolean("shopnow", "traffic") else None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    params={name: Param(**field) for name, field in dag_params.form_fields().items()},
) as dag:

    @task(outlets=[TRAFFIC], execution_timeout=LONG_TIMEOUT)
    def simulate() -> dict:
        """Simulate the period; return the totals of the run."""
        # Not while the file is parsed, which takes place every 30 seconds: it imports pandas and Faker.
        from shopnow.traffic.generate import generate

        context = get_current_context()
        run_id = context["run_id"]
        with no_retry_of_user_errors():
            options = dag_params.parse(context["params"], run_id)
        return generate(kafka_conf(), run_id, **options)._asdict()

    simulate()
