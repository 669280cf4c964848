"""
### Land Kafka records in the lake, exactly once

Reads from each topic the records that the lake does not have yet and appends them to `raw/{topic}` on HDFS,
bytes unchanged. A record that is not a valid event lands too, with its `problem`, and never stops the run:
from the share `SHOPNOW_QUARANTINE_LIMIT` on, `watch_stock` notifies (rule `many_invalid_records`).

**Runs** when `generate_traffic` has finished, every five minutes for records of other producers, or by hand
with the form:

| param | meaning |
|---|---|
| `acknowledge_loss_of` | topic to continue landing although Kafka has lost records of it |
| `reason` | why continuing is right; kept with the loss in the table `losses` |

Example: `{"acknowledge_loss_of": "views", "reason": "the broker was down over the weekend"}`

**Exactly once.** The lake itself stores its position: the commit that adds the rows also records the next
offset of each partition. Running this twice, concurrently, or again after a kill, loses and duplicates
nothing.

**When it fails.**
- *offsets … are gone*, *cut off*, *deleted and created again*: Kafka lost records before they were landed.
  The message names topic, partition and range. Landing of the topic stops until a run acknowledges the loss;
  other topics still land.
- *Any landing task failed*: the run does not trigger `compute_kpis` and collects no metadata; the next
  successful run does both. To compute the KPIs of the other topics before that, run `compute_kpis` by hand.
- Kafka or HDFS is unreachable: the task retries. See `./shopnow status`.

**Parallelism.** The partitions of a topic are divided among `SHOPNOW_LANDING_SHARES` tasks, 1 by default, so
several workers of a cluster can land one topic.

**Writes** the tables `receipts`, `losses` and `amendments` from the metadata of the raw tables' commits.

**Triggers** `compute_kpis` through the asset `raw`, if something landed and no landing task failed.
"""

from collections import Counter
from dataclasses import asdict

from airflow.sdk import DAG, AssetOrTimeSchedule, Param, conf, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from shopnow.dag_common import DEFAULT_ARGS, RAW, TRAFFIC, Tag, every_five_minutes, kafka_conf, lake_uri
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest import lag, landing
from shopnow.lake.ingest.data_loss import LOSSES, Acknowledgement, UnacknowledgedLoss
from shopnow.lake.ingest.plan import PartitionShard
from shopnow.lake.ingest.receipts import RECEIPTS

SHARD_COUNT = conf.getint("shopnow", "landing_shares")

with DAG(
    dag_id="land_events",
    description="Kafka → raw tables on HDFS",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=every_five_minutes(after=2), assets=TRAFFIC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags={Tag.SHOPNOW, Tag.INGEST},
    params={
        "acknowledge_loss_of": Param(
            None,
            enum=[None, *TOPICS],
            title="Acknowledge loss of",
            description="Topic to continue landing although Kafka has lost records of it.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            title="Reason",
            description="Why continuing without the lost records is right.",
        ),
    },
) as dag:

    @task
    def find_unread() -> list[dict]:
        """Return the shards of topics that have records the lake does not have."""
        return [
            {"topic": topic, "shard": shard}
            for topic in lag.lagging_topics(kafka_conf(), lake_uri())
            for shard in range(SHARD_COUNT)
        ]

    # Bounded, so that a worker slot stays free for alerts.
    @task(
        map_index_template="{{ task.op_kwargs['topic'] }} {{ task.op_kwargs['shard'] }}",
        max_active_tis_per_dagrun=3 * SHARD_COUNT,
    )
    def land(topic: str, shard: int) -> dict:
        """Land one shard of a topic; return what was landed."""
        context = get_current_context()
        params, run = context["params"], context["dag_run"]
        acknowledgement = Acknowledgement(
            params["reason"] or "", f"{run.triggering_user_name or 'unknown'}, {run.run_id}"
        )
        try:
            landed = landing.land(
                kafka_conf(),
                lake_uri(),
                TOPICS[topic],
                acknowledgement=acknowledgement if params["acknowledge_loss_of"] == topic else None,
                shard=PartitionShard(shard, SHARD_COUNT),
            )
        except UnacknowledgedLoss as error:
            raise AirflowFailException(str(error)) from error  # a retry would fail the same way
        return asdict(landed)

    @task(outlets=[RAW])
    def publish(landed: list[dict]) -> dict[str, int]:
        """Return the number of rows landed, by topic."""
        rows: Counter[str] = Counter()
        for landing_result in landed:
            rows[landing_result["topic"]] += landing_result["rows"]
        return dict(rows)

    @task
    def keep_record() -> dict[str, int]:
        """Collect commit metadata into its tables; return the number of new rows, by table."""
        return {
            table.table: commit_metadata.collect(lake_uri(), table)
            for table in (RECEIPTS, LOSSES, AMENDMENTS)
        }

    landed = land.expand_kwargs(find_unread())
    publish(landed)
    landed >> keep_record()
