"""Land Kafka records in `raw/{topic}`, each exactly once.

Only the lake knows how far it has read. One Delta transaction carries the rows and one app transaction per
partition: id `{topic_id}/{partition}`, version = the next offset to read. A run reads these versions, reads
exactly what is committed to Kafka since, and commits against the snapshot it has read. If another run was
faster, the commit conflicts and the run plans again on the newer snapshot. A run that is killed at any point
leaves only files that no commit names.

The main thread reads from Kafka, validates and encodes; a few threads upload files, as uploads mostly wait;
one thread commits in order, all uploaded batches at once.
"""

import time
import uuid
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from shopnow.broker import reader, topic_state
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import Topic
from shopnow.failpoints import failpoint
from shopnow.gc_pause import gc_paused
from shopnow.lake.delta import conflicts, errors, parquet
from shopnow.lake.delta.conflicts import CommitConflict, Conflict, retry_on_conflict
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import batches, offsets, receipts
from shopnow.lake.ingest.batches import Batch
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.plan import ALL_PARTITIONS, PartitionShard, Plan, plan_landing
from shopnow.lake.ingest.receipts import RECEIPTS, Receipt
from shopnow.schemas import RAW

PARTITION_BY = ("ingest_date",)
FAILPOINTS = ("land:plan", "land:read", "land:write", "land:commit", "land:committed")
"""Failpoints of a run; `land:write` is between a file's last byte and its close. See `shopnow.failpoints`."""

BATCH_ROWS = 250_000
BATCH_BYTES = 64 << 20

_UPLOAD_THREADS = 3
_MAX_UPLOADS = 4
_CONFLICT_POLL_SECONDS = 0.2
_CONFLICT_TIMEOUT_SECONDS = 5.0

Upload = tuple[Receipt, AddAction | None]
"""The receipt of an uploaded batch, and the action that adds its file; None for a batch without rows."""


@dataclass(frozen=True)
class LandingResult:
    """Result of a run: landed offsets `[start, end)` by partition, and the new version of `raw/{topic}`."""

    topic: str
    topic_id: str
    rows: int
    quarantined: int
    markers: int
    possibly_lost: int
    """Offsets of a compacted topic without a record: records that compaction removed, or markers."""
    offsets: dict[int, tuple[int, int]]
    commits: int
    version: int


def land(
    conf: Conf,
    lake: str,
    topic: Topic,
    *,
    kafka_topic: str | None = None,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    queue_bytes: int = reader.QUEUE_BYTES,
    acknowledgement: Acknowledgement | None = None,
    shard: PartitionShard = ALL_PARTITIONS,
) -> LandingResult:
    """Land the committed records of a topic that `raw/{topic}` does not have, however many are invalid.

    Idempotent and safe to run concurrently.

    Args:
        conf: confluent_kafka configuration.
        lake: address such as `hdfs://127.0.0.1:9820/shopnow`.
        topic: records are validated against its event types.
        kafka_topic: name of the topic in Kafka, if it differs.
        batch_rows, batch_bytes: a file is written when either is reached; bytes of the rows in Arrow, which
            are more than those in Kafka.
        queue_bytes: size of the prefetch queue. Memory is bounded by these three, whatever the backlog.
        acknowledgement: approval to continue past records that Kafka has lost; it is recorded.
        shard: land only these partitions, while other runs land the others.

    Raises:
        UnacknowledgedLoss: Kafka has lost records before they were landed.
        MissingOffsets: Kafka lost records while this run was reading; earlier commits stay.
        UserError: the topic does not exist, or Kafka or HDFS does not respond; earlier commits stay.
    """
    committed: list[Receipt] = []
    with errors.as_user_errors(lake):
        store = Store(lake)
        raw = Table(lake, f"raw/{topic.name}")
        table = raw.ensure(RAW, PARTITION_BY)

        def attempt() -> Plan:
            plan = plan_landing(conf, raw, table, kafka_topic or topic.name, acknowledgement, shard)
            failpoint("land:plan")
            if plan.ranges:
                batch_stream = batches.read(conf, topic, plan, batch_rows, batch_bytes, queue_bytes)
                try:
                    _run(conf, store, table, topic, plan, batch_stream, committed)
                except CommitConflict:
                    _wait_for_winner(table, plan)
                    raise
            return plan

        plan = retry_on_conflict(attempt)
    return _result(topic, plan, committed, table.version())


def _run(
    conf: Conf,
    store: Store,
    table: DeltaTable,
    topic: Topic,
    plan: Plan,
    batch_stream: Generator[Batch],
    committed: list[Receipt],
) -> None:
    """Upload and commit the batches as they are read, and append the receipts of commits to `committed`.

    Raises:
        CommitConflict: another run landed some of the plan; what is in `committed` is landed all the same.
    """
    uploads: deque[tuple[Receipt, Future[AddAction | None]]] = deque()
    commit: Future[None] | None = None
    positions = {partition: start for partition, (start, _) in plan.ranges.items()}

    # The collector would scan millions of short-lived objects without cycles.
    with gc_paused(), ThreadPoolExecutor(_UPLOAD_THREADS) as uploaders, ThreadPoolExecutor(1) as committer:

        def commit_uploaded(max_pending: int) -> None:
            """Commit uploaded batches in order; wait only while more than `max_pending` are pending."""
            nonlocal commit
            while uploads and (
                len(uploads) > max_pending or (uploads[0][1].done() and (commit is None or commit.done()))
            ):
                if commit is not None:
                    commit.result()
                uploaded: list[Upload] = []
                while uploads and (not uploaded or uploads[0][1].done()):
                    receipt, upload = uploads.popleft()
                    uploaded.append((receipt, upload.result()))
                commit = committer.submit(_commit, conf, table, topic, plan, uploaded, positions, committed)

        try:
            with closing(batch_stream):
                for batch in batch_stream:
                    uploads.append((batch.receipt, uploaders.submit(_upload, store, topic, batch.rows)))
                    commit_uploaded(_MAX_UPLOADS)
            commit_uploaded(0)
            if commit is not None:
                commit.result()
        except BaseException:
            uploaders.shutdown(wait=False, cancel_futures=True)
            raise


def _upload(store: Store, topic: Topic, rows: list[pa.RecordBatch]) -> AddAction | None:
    """Write the rows as a file in today's partition of the table."""
    if not rows:
        return None
    table = pa.Table.from_batches(rows)
    data = parquet.encode(table)
    now = datetime.now(UTC)
    path = f"ingest_date={now.date()}/part-{uuid.uuid4()}.zstd.parquet"
    store.put(f"raw/{topic.name}/{path}", data)
    return AddAction(
        path=path,
        size=len(data),
        partition_values={"ingest_date": str(now.date())},
        modification_time=int(now.timestamp() * 1000),
        data_change=True,
        stats=parquet.statistics(table),
    )


def _commit(
    conf: Conf,
    table: DeltaTable,
    topic: Topic,
    plan: Plan,
    uploaded: list[Upload],
    positions: dict[int, int],
    committed: list[Receipt],
) -> None:
    """Commit files and offsets in one transaction.

    Raises:
        CommitConflict: another run committed offsets of these partitions, before or just after this commit.
        UserError: the topic was recreated while it was read.
    """
    if topic_state.topic_id(conf, plan.kafka_topic) != offsets.kafka_id(plan.topic_id):
        raise UserError(
            f"topic {plan.kafka_topic} was deleted and created again while it was read; run again"
        )
    receipt = receipts.merge(receipt for receipt, _ in uploaded)
    transactions = [
        Transaction(offsets.app_id(plan.topic_id, partition), part.end) for partition, part in receipt.items()
    ]
    metadata = {RECEIPTS.key: receipts.dumps(topic.name, plan.topic_id, receipt, plan.is_compacted)}
    failpoint("land:commit")

    def commit() -> None:
        try:
            table.create_write_transaction(
                [action for _, action in uploaded if action],
                mode="append",
                schema=RAW,
                partition_by=list(PARTITION_BY),
                commit_properties=CommitProperties(custom_metadata=metadata, app_transactions=transactions),
            )
        except CommitFailedError as error:
            # The files stay: a commit reported as failed may be in the log, if only the response was lost.
            if conflicts.classify(error) is Conflict.SAME_APP_TRANSACTION:
                raise CommitConflict from error
            raise

    def refresh() -> None:
        table.update_incremental()
        _check_positions(table, plan, positions)

    retry_on_conflict(commit, on=conflicts.UNRELATED_TO_APPENDS, before_retry=refresh)
    failpoint("land:committed")
    committed.append(receipt)
    positions.update({partition: part.end for partition, part in receipt.items()})
    refresh()


def _check_positions(table: DeltaTable, plan: Plan, positions: dict[int, int]) -> None:
    """Check that no other run has moved the positions, before committing against a newer snapshot.

    delta-rs detects conflicts only with commits after the snapshot.

    Raises:
        CommitConflict: a position has moved.
    """
    for partition, offset in positions.items():
        if (offsets.position(table, plan.topic_id, partition) or offset) != offset:
            raise CommitConflict


def _wait_for_winner(table: DeltaTable, plan: Plan) -> None:
    """Wait while a faster run lands the plan's ranges, so that they are not read a second time."""
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
            deadline = time.monotonic() + _CONFLICT_TIMEOUT_SECONDS
        if time.monotonic() > deadline:
            return
        time.sleep(_CONFLICT_POLL_SECONDS)


def _result(topic: Topic, plan: Plan, committed: list[Receipt], version: int) -> LandingResult:
    parts = [part for receipt in committed for part in receipt.values()]
    ranges: dict[int, tuple[int, int]] = {}
    for receipt in committed:
        for partition, part in sorted(receipt.items()):
            ranges[partition] = (ranges.get(partition, (part.start, 0))[0], part.end)
    return LandingResult(
        topic=topic.name,
        topic_id=plan.topic_id,
        rows=sum(part.rows for part in parts),
        quarantined=sum(part.quarantined for part in parts),
        markers=0 if plan.is_compacted else sum(part.gaps for part in parts),
        possibly_lost=sum(part.gaps for part in parts) if plan.is_compacted else 0,
        offsets=ranges,
        commits=len(committed),
        version=version,
    )
