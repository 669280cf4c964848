"""
### Generate shop traffic into Kafka

Simulates shoppers who view, fill carts, order, pay and get their parcels, and writes what they do to the six topics.
The shop goes on from where the last run left it: stock, customers and orders carry over.

**Runs** every five minutes, lightly (`SHOPNOW_TRAFFIC=off` turns that off), or by hand with the form:

| param | what |
|---|---|
| `scenario` | what kind of traffic: normal day, flash sale, payment provider outage, supplier delay, bot traffic, slow week |
| `sessions` | visits to simulate, about 7 events each; or `sessions_per_day`: how many on an average day, which the scenario multiplies |
| `start`, `end`, `hours` | the period to simulate; none of them: since the shop's last run, 24 hours at most |
| `seed` | same seed and same shop, same events; empty: taken from the run's id |
| `pace` | full speed, or real time: as the clock on the wall goes, for half an hour at most |
| `late`, `out_of_order`, `duplicate`, `malformed` | shares of records that something is wrong with on purpose; the ledger knows each |
| `clock_skew_seconds`, `schema_v1` | by how much the servers' clocks are off, and the share of events of the older schema version |

A flash sale of three hours: `{"scenario": "flash_sale", "sessions": 5000}`. Four weeks of history, in a shop that is new:
`{"hours": 672, "sessions_per_day": 20000}`. Trouble on purpose: `{"sessions": 2000, "late": 0.02, "duplicate": 0.05, "malformed": 0.01}`.

**Exactly once.** Records, the ledger of them and the shop's state are written in Kafka transactions, some thousand sessions
each. A run that is killed and tried again goes on after its last transaction; a run that is done does nothing. `./shopnow ledger`
shows what truly happened.

**When it fails.** Kafka unreachable or a record refused: the task retries by itself; see `./shopnow status`. A fenced producer:
another run of this DAG took over, nothing to do. The shop has already lived through the period: a shop has one past; leave the
period empty, or begin a new shop.

**Wakes** `land_events`, by the asset `traffic`.
"""

from airflow.sdk import DAG, Param, conf, get_current_context, task

from shopnow.dag_common import DEFAULTS, LONG, TRAFFIC, Tag, every_five_minutes, kafka_conf
from shopnow.traffic import dag_params
from shopnow.traffic.generate import generate

with DAG(
    dag_id="generate_traffic",
    description="Simulated shoppers → Kafka",
    doc_md=__doc__,
    schedule=every_five_minutes() if conf.getboolean("shopnow", "traffic") else None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    params={name: Param(**field) for name, field in dag_params.fields().items()},
) as dag:

    @task(outlets=[TRAFFIC], execution_timeout=LONG)
    def simulate() -> dict:
        context = get_current_context()
        run_id = context["run_id"]
        return generate(kafka_conf(), run_id, **dag_params.read(context["params"], run_id))._asdict()

    simulate()
