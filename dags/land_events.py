"""
### Land the topics' records in the lake, exactly once

Reads from each topic what the lake does not have yet, and appends it to `raw/{topic}` on HDFS, bytes unchanged. A record
that is not a valid event lands too, with its `problem`; it never stops a run.

**Runs** when `generate_traffic` is done, every five minutes for everyone else's records, or by hand with the form:

| param | what |
|---|---|
| `quarantine_limit` | share of a run's records that may be no valid events before it stops, 0 to 1 |
| `acknowledge_loss_of` | the topic to go on landing though Kafka has lost records of it |
| `reason` | why that is right; kept with the loss in the table `losses` |

Example: `{"acknowledge_loss_of": "views", "reason": "the broker was down over the week-end"}`

**Exactly once.** The lake itself knows how far it has read: the commit that adds the rows also records the next offset of
each partition. Running this twice, at once, or again after a kill, loses and repeats nothing.

**When it fails.**
- *offsets … are gone*, *cut off*, *deleted and created again*: Kafka has lost records before they were landed. The message
  names the topic, partition and range. Nothing more of the topic is landed until a run acknowledges the loss.
- *… are not valid*: too many bad records. They stay in Kafka; the message says what is wrong with them.
- Kafka or HDFS unreachable: the task retries by itself; see `./shopnow status`.

**At once.** A topic's partitions are dealt to `SHOPNOW_LANDING_SHARES` tasks, 1 by default; on a cluster several workers land one topic.

**Writes** the tables `receipts`, `losses` and `amendments` from what the raw tables' commits say.

**Wakes** `compute_kpis`, by the asset `raw`, only if something landed.
"""

from collections import Counter
from dataclasses import asdict

from airflow.sdk import DAG, AssetOrTimeSchedule, Param, conf, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.dag_common import DEFAULTS, RAW, TRAFFIC, Tag, every_five_minutes, kafka_conf, lake_uri
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest import lag, landing
from shopnow.lake.ingest.batches import TooManyProblems
from shopnow.lake.ingest.data_loss import LOSSES, Acknowledgement, UnacknowledgedLoss
from shopnow.lake.ingest.plan import PartitionShard
from shopnow.lake.ingest.receipts import RECEIPTS

SHARES = conf.getint("shopnow", "landing_shares")

with DAG(
    dag_id="land_events",
    description="Kafka → raw tables on HDFS",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=every_five_minutes(after=2), assets=TRAFFIC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    params={
        "quarantine_limit": Param(
            conf.getfloat("shopnow", "quarantine_limit"),
            type="number",
            minimum=0,
            maximum=1,
            title="Quarantine limit",
            description="Share of records that may be no valid events before the run stops.",
        ),
        "acknowledge_loss_of": Param(
            None,
            enum=[None, *TOPICS],
            title="Acknowledge loss of",
            description="The topic to go on landing though Kafka has lost records of it.",
        ),
        "reason": Param(
            None, type=["null", "string"], title="Reason", description="Why going on without them is right."
        ),
    },
) as dag:

    @task
    def find_unread() -> list[dict]:
        """The shares of topics that hold records the lake does not have."""
        return [
            {"topic": topic, "share": share}
            for topic in lag.unread(kafka_conf(), lake_uri())
            for share in range(SHARES)
        ]

    # Not all at once: there has to be a worker left for an alert.
    @task(
        map_index_template="{{ task.op_kwargs['topic'] }} {{ task.op_kwargs['share'] }}",
        max_active_tis_per_dagrun=3 * SHARES,
    )
    def land(topic: str, share: int) -> dict:
        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        word = Acknowledgement(
            params["reason"] or "", f"{run.triggering_user_name or 'unknown'}, {run.run_id}"
        )
        try:
            landed = landing.land(
                kafka_conf(),
                lake_uri(),
                TOPICS[topic],
                quarantine_limit=params["quarantine_limit"],
                acknowledgement=word if params["acknowledge_loss_of"] == topic else None,
                share=PartitionShard(share, SHARES),
            )
        except (UnacknowledgedLoss, TooManyProblems) as error:
            raise AirflowFailException(str(error)) from error  # trying again would change nothing
        return asdict(landed)

    @task(outlets=[RAW])
    def publish(landed: list[dict]) -> dict[str, int]:
        """Rows landed by topic."""
        rows: Counter[str] = Counter()
        for each in landed:
            rows[each["topic"]] += each["rows"]
        return dict(rows)

    @task
    def keep_record() -> dict[str, int]:
        """New rows of the tables that tell what was landed, by table."""
        return {
            each.table: commit_metadata.collect(lake_uri(), each) for each in (RECEIPTS, LOSSES, AMENDMENTS)
        }

    landed = land.expand_kwargs(find_unread())
    publish(landed)
    landed >> keep_record()
