"""
### Land the topics' records in the lake, exactly once

Reads from each topic what the lake does not have yet, and appends it to `raw/{topic}` on HDFS, bytes unchanged. A record
that is not a valid event lands too, with its `problem`; it never stops a run.

**Runs** when `generate_traffic` is done, when a stock-out was seen, every five minutes for everyone else's records, or
by hand. It takes no params.

**Exactly once.** The lake itself knows how far it has read: the commit that adds the rows also records the next offset of
each partition. Running this twice, at once, or again after a kill, loses and repeats nothing.

**When it fails.**
- *records … are gone*: Kafka's retention removed records before they were landed. The message names the topic,
  partition and range.
- Kafka or HDFS unreachable: the task retries by itself; see `./shopnow status`.

**Wakes** `compute_kpis`, by the asset `raw`, only if something landed.
"""

from dataclasses import asdict

from airflow.sdk import DAG, AssetOrTimeSchedule, task

from shopnow.events import TOPICS
from shopnow.lake import lag, landing
from shopnow.workflow import DEFAULTS, RAW, STOCK_OUT, TRAFFIC, Tag, every_five_minutes, kafka_conf, lake_uri

with DAG(
    dag_id="land_events",
    description="Kafka → raw tables on HDFS",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=every_five_minutes(after=2), assets=TRAFFIC | STOCK_OUT),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags={Tag.SHOPNOW, Tag.INGEST},
) as dag:

    @task
    def find_unread() -> list[str]:
        """The topics that hold records the lake does not have."""
        return lag.unread(kafka_conf(), lake_uri())

    @task(map_index_template="{{ task.op_kwargs['topic'] }}")
    def land(topic: str) -> dict:
        return asdict(landing.land(kafka_conf(), lake_uri(), TOPICS[topic]))

    @task(outlets=[RAW])
    def publish(landed: list[dict]) -> dict[str, int]:
        """Rows landed by topic."""
        return {each["topic"]: each["rows"] for each in landed}

    publish(land.expand(topic=find_unread()))
