"""Write raw tables as landing leaves them, without Kafka."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake

from shopnow import events
from shopnow.broker.reader import Chunk
from shopnow.events import TOPIC_OF, TOPICS, Event, Topic
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import landing, offsets, raw_encoding, receipts
from shopnow.schemas import RAW


def land(lake: str, events_: Iterable[Event]) -> None:
    """Append the events to the raw tables of their topics, in one commit per table."""
    by_topic: dict[str, list[bytes]] = {}
    for event in events_:
        by_topic.setdefault(TOPIC_OF[type(event)].name, []).append(events.encode(event))
    with ThreadPoolExecutor(len(TOPICS)) as pool:
        list(pool.map(lambda name: land_records(lake, TOPICS[name], by_topic[name]), by_topic))


def land_records(
    lake: str,
    topic: Topic,
    values: Sequence[bytes | None],
    partition: int = 0,
    topic_id: str | None = None,
    headers: Sequence[tuple[str, bytes | None]] | None = None,
) -> None:
    """Append records, valid or not, to `raw/{topic}` at the next offsets of the partition."""
    name, topic_id = f"raw/{topic.name}", topic_id or f"{topic.name}-id"
    table = Table(lake, name).ensure(RAW, landing.PARTITION_BY)
    app_id = offsets.app_id(topic_id, partition)
    start, now = table.transaction_version(app_id) or 0, datetime.now(UTC)
    count = len(values)
    chunk = Chunk(
        partition,
        list(range(start, start + count)),
        [int(now.timestamp() * 1000)] * count,
        [None] * count,
        list(values),
        [None if headers is None else list(headers)] * count,
    )
    rows, part = raw_encoding.encode(topic_id, chunk, topic.decoder().decode)
    dates = pa.repeat(pa.scalar(now.date(), pa.date32()), count)
    write_deltalake(
        table,
        pa.Table.from_batches([rows])
        .append_column("correction", pa.nulls(count, pa.binary()))
        .append_column("ingest_date", dates)
        .select(RAW.names)
        .cast(RAW),
        mode="append",
        commit_properties=CommitProperties(
            custom_metadata={receipts.RECEIPTS.key: receipts.dumps(topic.name, topic_id, {partition: part})},
            app_transactions=[Transaction(app_id, part.end)],
        ),
    )
