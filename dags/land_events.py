"""
### Land Kafka records in the lake, exactly once

Reads from each topic the records that the lake does not have yet and appends them to `raw/{topic}` on HDFS,
bytes unchanged. A record that is not a valid event lands too, with its `problem`, and never stops the run:
from the share `SHOPNOW_QUARANTINE_LIMIT` on, `watch_stock` notifies (rule `many_invalid_records`).

**Runs** within seconds after records of any producer have arrived, or by hand with the form. The trigger
(`shopnow.lake.ingest.trigger`) compares Kafka with the lake and fires again when what it fired for has
landed, so records of a burst share a run. A schedule of five minutes is the net beneath it.

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

**Parallelism.** `land` lands all topics that have few new records. A topic with a backlog of more than 50,000
is left to `land_backlog`: its partitions are divided among `SHOPNOW_LANDING_SHARES` tasks, 1 by default, so
several workers of a cluster can land one topic.

**Writes** the tables `receipts`, `losses` and `amendments` from the metadata of the raw tables' commits.

**Triggers** `compute_kpis` through the asset `raw`, if something landed and no landing task failed.
"""

from collections import Counter
from dataclasses import asdict

from airflow.sdk import (
    DAG,
    Asset,
    AssetAlias,
    AssetOrTimeSchedule,
    AssetWatcher,
    Param,
    TriggerRule,
    conf,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from shopnow.dag_common import DEFAULT_ARGS, RAW, TRAFFIC, Tag, every_five_minutes, kafka_conf, lake_uri
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.governance.amendments import AMENDMENTS
from shopnow.lake.ingest import landing, small_landing
from shopnow.lake.ingest.data_loss import LOSSES, Acknowledgement, UnacknowledgedLoss
from shopnow.lake.ingest.plan import PartitionShard
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.lake.ingest.trigger import ArrivalTrigger

SHARD_COUNT = conf.getint("shopnow", "landing_shares")
LANDED = AssetAlias("landed")
"""Resolves to `raw` in a run whose first task has landed all there was."""


RECORDS = Asset(
    "records",
    "shopnow://records",
    group="shopnow",
    watchers=[AssetWatcher(name="topics", trigger=ArrivalTrigger())],
)
"""Topics have records of any producer that the lake does not have; its events only trigger a landing."""


def acknowledgements() -> dict[str, Acknowledgement]:
    """The loss that the run's params acknowledge, by topic."""
    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    approval = Acknowledgement(
        params["reason"] or "", f"{run.triggering_user_name or 'unknown'}, {run.run_id}"
    )
    return {topic: approval for topic in [params["acknowledge_loss_of"]] if topic}


with DAG(
    dag_id="land_events",
    description="Kafka → raw tables on HDFS",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=every_five_minutes(after=2), assets=TRAFFIC | RECORDS),
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

    @task(outlets=[LANDED])
    def land(*, outlet_events) -> list[dict]:
        """Land the topics with few new records; return the shards of those with a backlog."""
        try:
            result = small_landing.land(kafka_conf(), lake_uri(), acknowledgements())
        except UnacknowledgedLoss as error:
            raise AirflowFailException(str(error)) from error  # a retry would fail the same way
        # An earlier try of this task may have landed some topics before it failed.
        if not result.landed and not result.backlogs and get_current_context()["ti"].try_number == 1:
            raise AirflowSkipException("nothing new")
        if not result.backlogs:
            outlet_events[LANDED].add(RAW, extra={"rows": dict(result.landed)})
        return [{"topic": topic, "shard": shard} for topic in result.backlogs for shard in range(SHARD_COUNT)]

    # Bounded, so that a worker slot stays free for alerts.
    @task(
        map_index_template="{{ task.op_kwargs['topic'] }} {{ task.op_kwargs['shard'] }}",
        max_active_tis_per_dagrun=3 * SHARD_COUNT,
    )
    def land_backlog(topic: str, shard: int) -> dict:
        """Land one shard of a topic; return what was landed."""
        try:
            landed = landing.land(
                kafka_conf(),
                lake_uri(),
                TOPICS[topic],
                acknowledgement=acknowledgements().get(topic),
                shard=PartitionShard(shard, SHARD_COUNT),
            )
        except UnacknowledgedLoss as error:
            raise AirflowFailException(str(error)) from error
        return asdict(landed)

    @task(outlets=[RAW])
    def publish(landed: list[dict]) -> dict[str, int]:
        """Return the number of rows landed, by topic."""
        rows: Counter[str] = Counter()
        for landing_result in landed:
            rows[landing_result["topic"]] += landing_result["rows"]
        return dict(rows)

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def keep_record() -> dict[str, int]:
        """Collect commit metadata into its tables; return the number of new rows, by table."""
        return {
            table.table: commit_metadata.collect(lake_uri(), table)
            for table in (RECEIPTS, LOSSES, AMENDMENTS)
        }

    shards = land()
    landed = land_backlog.expand_kwargs(shards)
    publish(landed)
    [shards, landed] >> keep_record()
