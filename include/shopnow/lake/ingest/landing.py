"""Kafka to `raw/{topic}`, each record exactly once.

The lake itself is the only place that knows how far it has read. A commit carries, in one Delta transaction, rows, and one
app transaction per partition: id `{topic_id}/{partition}`, version = the next offset to read. A run reads those versions,
reads exactly what has been committed to Kafka since, and commits against the very snapshot it read. A run that was
overtaken by another conflicts with it, and starts again from what is in the table by then. Killed anywhere, it leaves
nothing but files that no commit names.

While the main thread reads from Kafka, checks and encodes, a few threads upload files, which is slow by waiting, and one
commits them in order, as many at once as are ready.
"""

import gc
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from shopnow.broker import reader, topics
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import Topic
from shopnow.failpoints import failpoint
from shopnow.lake.delta import errors, raw_encoding
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import batches, offsets, receipts
from shopnow.lake.ingest.batches import Batch
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.plan import ALL, PartitionShard, Plan, make_plan
from shopnow.lake.ingest.receipts import RECEIPTS, Parts
from shopnow.schemas import RAW

PARTITION_BY = ("ingest_date",)
FAILPOINTS = ("land:plan", "land:read", "land:write", "land:commit", "land:committed")
"""Where a run can be made to die (see `shopnow.failpoints`); `land:write` is between a file's last byte and its close."""

BATCH_ROWS = 250_000
BATCH_BYTES = 64 << 20

# What delta-rs says when a commit that came first took rows away, or changed the table's columns.
_HARMLESS = ("a concurrent transaction deleted data", "Metadata changed since last commit")

_STORE_THREADS = 3
_MAX_UPLOADS = 4
_OVERTAKEN_POLL_SECONDS = 0.2
_OVERTAKEN_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Landed:
    """What a run put into `raw/{topic}`: offsets `[start, end)` by partition, and the table's version after it."""

    topic: str
    topic_id: str
    rows: int
    quarantined: int
    markers: int
    offsets: dict[int, tuple[int, int]]
    commits: int
    version: int


class CommitConflict(Exception):
    """Another run has landed some of what this one was about to."""


def land(
    conf: Conf,
    lake: str,
    topic: Topic,
    *,
    kafka_topic: str | None = None,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    queue_bytes: int = reader.QUEUE_BYTES,
    quarantine_limit: float = 1.0,
    acknowledgement: Acknowledgement | None = None,
    share: PartitionShard = ALL,
) -> Landed:
    """Land what was committed to the topic and is not in `raw/{topic}` yet. Safe to repeat, and to run several times at once.

    Args:
        conf: confluent_kafka configuration.
        lake: address such as `hdfs://127.0.0.1:9820/shopnow`.
        topic: its event types are what records are checked against.
        kafka_topic: the name in Kafka where it is not the topic's.
        batch_rows, batch_bytes: a file is written when either is reached, by Kafka keys and values as they are.
        queue_bytes: how much is fetched ahead. Memory is bounded by these three, whatever the backlog.
        quarantine_limit: the share of records that may be no valid events before the run stops, 0 to 1.
        acknowledgement: lets it go on, on record, without what Kafka has lost.
        share: lands these partitions only, while other runs land the others.

    Raises:
        UnacknowledgedLoss: Kafka has lost records before they were landed.
        MissingOffsets: it lost them while this run was reading; those of earlier commits stay.
        TooManyProblems: too many records are not valid; none of the batch that went over the limit is landed.
        UserError: no such topic, or Kafka or HDFS does not answer; what was committed stays.
    """
    done: list[Parts] = []
    with errors.as_user_errors(lake):
        store = Store(lake)
        table = Table(lake, f"raw/{topic.name}").ensure(RAW, PARTITION_BY)
        while True:
            plan = make_plan(conf, lake, table, topic, kafka_topic or topic.name, acknowledgement, share)
            failpoint("land:plan")
            try:
                if plan.ranges:
                    read = batches.read(conf, topic, plan, batch_rows, batch_bytes, queue_bytes)
                    _run(
                        conf,
                        store,
                        table,
                        topic,
                        plan,
                        batches.enforce_quarantine_limit(quarantine_limit, topic, read),
                        done,
                    )
                break
            except CommitConflict:
                _wait_for_winner(table, plan)
    return _summary(topic, plan.topic_id, done, table.version())


def _run(
    conf: Conf,
    store: Store,
    table: DeltaTable,
    topic: Topic,
    plan: Plan,
    read: Generator[Batch],
    done: list[Parts],
) -> None:
    """Upload and commit what is read as it comes, appending to `done` what was committed.

    Raises:
        _OvertakenError: another run landed some of it; everything in `done` is landed all the same.
    """
    uploads: deque[tuple[Parts, Future[AddAction | None]]] = deque()
    commit: Future[None] | None = None
    expected = {partition: start for partition, (start, _) in plan.ranges.items()}

    with _collector_off(), ThreadPoolExecutor(_STORE_THREADS) as stores, ThreadPoolExecutor(1) as committer:

        def settle(most: int) -> None:
            """Commit what is uploaded, in order, waiting for it only while more than `most` batches have not got that far."""
            nonlocal commit
            while uploads and (
                len(uploads) > most or (uploads[0][1].done() and (commit is None or commit.done()))
            ):
                if commit is not None:
                    commit.result()
                ready: list[tuple[Parts, AddAction | None]] = []
                while uploads and (not ready or uploads[0][1].done()):
                    parts, upload = uploads.popleft()
                    ready.append((parts, upload.result()))
                commit = committer.submit(_commit, conf, table, topic, plan, ready, expected, done)

        try:
            with closing(read):
                for batch in read:
                    uploads.append((batch.parts, stores.submit(_upload, store, topic, batch.rows)))
                    settle(_MAX_UPLOADS)
            settle(0)
            if commit is not None:
                commit.result()
        except BaseException:
            stores.shutdown(wait=False, cancel_futures=True)
            raise


def _upload(store: Store, topic: Topic, rows: list[pa.RecordBatch]) -> AddAction | None:
    """Write the rows as a file of the table, in the partition of today."""
    if not rows:
        return None
    table = pa.Table.from_batches(rows)
    data = raw_encoding.parquet(table)
    now = datetime.now(UTC)
    path = f"ingest_date={now.date()}/part-{uuid.uuid4()}.zstd.parquet"
    store.put(f"raw/{topic.name}/{path}", data)
    return AddAction(
        path=path,
        size=len(data),
        partition_values={"ingest_date": str(now.date())},
        modification_time=int(now.timestamp() * 1000),
        data_change=True,
        stats=raw_encoding.statistics(table),
    )


def _commit(
    conf: Conf,
    table: DeltaTable,
    topic: Topic,
    plan: Plan,
    ready: list[tuple[Parts, AddAction | None]],
    expected: dict[int, int],
    done: list[Parts],
) -> None:
    """Commit files and offsets in one transaction.

    Raises:
        _OvertakenError: another run committed offsets of these partitions, before or just after this commit.
        UserError: the topic was created anew while it was read.
    """
    if topics.topic_id(conf, plan.kafka_topic) != offsets.kafka_id(plan.topic_id):
        raise UserError(
            f"topic {plan.kafka_topic} was deleted and created again while it was read; run again"
        )
    parts = receipts.merged(parts for parts, _ in ready)
    transactions = [
        Transaction(offsets.app_id(plan.topic_id, partition), part.end) for partition, part in parts.items()
    ]
    metadata = {RECEIPTS.key: receipts.dumps(topic.name, plan.topic_id, parts)}
    failpoint("land:commit")
    while True:
        try:
            table.create_write_transaction(
                [action for _, action in ready if action],
                mode="append",
                schema=RAW,
                partition_by=list(PARTITION_BY),
                commit_properties=CommitProperties(custom_metadata=metadata, app_transactions=transactions),
            )
            break
        except CommitFailedError as error:
            # The files stay: a commit reported as failed may be in the log all the same, if the answer was lost on its way.
            if "Concurrent transaction failed" in str(error):
                raise CommitConflict from error
            if not any(harmless in str(error) for harmless in _HARMLESS):
                raise
        # Rows were amended or removed, or a column was added: nothing to do with new rows, so once more on top of it.
        table.update_incremental()
        _check_not_overtaken(table, plan, expected)
    failpoint("land:committed")
    done.append(parts)
    expected.update({partition: part.end for partition, part in parts.items()})
    table.update_incremental()
    _check_not_overtaken(table, plan, expected)


def _check_not_overtaken(table: DeltaTable, plan: Plan, expected: dict[int, int]) -> None:
    """Before a commit against a newer snapshot: with a run that had slipped in by then it would not conflict."""
    for partition, offset in expected.items():
        if (offsets.position(table, plan.topic_id, partition) or offset) != offset:
            raise CommitConflict


def _wait_for_winner(table: DeltaTable, plan: Plan) -> None:
    """Wait while a faster run lands what is in the plan, so as not to read it a second time."""
    landed: list[int | None] = []
    deadline = 0.0
    while True:
        table.update_incremental()
        before, landed = (
            landed,
            [offsets.position(table, plan.topic_id, partition) for partition in plan.ranges],
        )
        if all((offset or 0) >= end for offset, (_, end) in zip(landed, plan.ranges.values(), strict=True)):
            return
        if landed != before:
            deadline = time.monotonic() + _OVERTAKEN_PATIENCE_SECONDS
        if time.monotonic() > deadline:
            return
        time.sleep(_OVERTAKEN_POLL_SECONDS)


def _summary(topic: Topic, topic_id: str, done: list[Parts], version: int) -> Landed:
    parts = [part for parts in done for part in parts.values()]
    ranges: dict[int, tuple[int, int]] = {}
    for each in done:
        for partition, part in sorted(each.items()):
            ranges[partition] = (ranges.get(partition, (part.start, 0))[0], part.end)
    return Landed(
        topic=topic.name,
        topic_id=topic_id,
        rows=sum(part.rows for part in parts),
        quarantined=sum(part.quarantined for part in parts),
        markers=sum(part.markers for part in parts),
        offsets=ranges,
        commits=len(done),
        version=version,
    )


@contextmanager
def _collector_off() -> Iterator[None]:
    """No garbage collection meanwhile: millions of short-lived objects without cycles would be searched for them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
