"""Restore damaged data files of a raw table from Kafka, with the digests of the receipts.

The rows of a damaged file are those that receipts and amendments account for and no intact file holds. They
are read again from Kafka, or else from what still decodes of the damaged file, and replace it in one commit.
The digests must add up; records that nobody has any more are lost, which takes an acknowledgement. Erased
records do not come back: only their record ids do.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction
from pyarrow.fs import FileSelector, PyFileSystem

from shopnow.broker import reader, topics
from shopnow.broker.client import Conf
from shopnow.broker.reader import Chunk
from shopnow.errors import UserError
from shopnow.events import TOPICS, Topic
from shopnow.failpoints import failpoint
from shopnow.lake.delta import commit_metadata, file_swap, integrity, parquet
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.file_swap import DataFile
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.log_integrity import LOG
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import (
    AMENDMENTS,
    Amendment,
    ErasedRecord,
    Kind,
    PartitionChange,
    RecordId,
)
from shopnow.lake.governance.redaction import NOTE
from shopnow.lake.ingest import data_loss, offsets, raw_encoding, receipts
from shopnow.lake.ingest.data_loss import DAMAGED, LOSSES, Acknowledgement, Loss

ATTEMPTS = 3

ERASED_PROBLEM = "erased, then lost to damage of the lake"

Key = tuple[str, int]
"""Topic id and partition."""


class Restored(NamedTuple):
    """Result of repairing the data files of a raw table: number of rows restored, and losses."""

    table: str
    files: list[str]
    rows: int
    losses: list[Loss]
    is_committed: bool


class _Accounts(NamedTuple):
    """What receipts and amendments of a table say about its rows."""

    expected: dict[Key, Digest]
    landed: dict[Key, list[tuple[int, int, date]]]
    """Ranges of offsets and the date they were landed, in order."""
    erased: dict[RecordId, Digest]
    """Digests of erased records."""
    expired_below: dict[Key, int]


def repair(
    conf: Conf,
    raw: Table,
    damaged: set[str],
    acknowledgement: Acknowledgement | None = None,
    *,
    dry_run: bool = False,
) -> Restored | None:
    """Replace the damaged data files of a raw table in one commit, and restore rows that no file holds.

    Idempotent and safe to run concurrently with landing, compaction and KPIs.

    Args:
        damaged: paths of the files; those that are not in the table any more are ignored.
        acknowledgement: approval to remove records that cannot be restored; without it, nothing is committed
            if there are any.

    Returns:
        None if the table has all its rows, in intact files.

    Raises:
        UserError: Kafka does not respond, or has other records than those that were landed.
    """

    def attempt() -> Restored | None:
        snapshot = raw.open()
        files = [file for file in file_swap.data_files(snapshot) if file.path in damaged]
        return _repair(conf, raw, snapshot, files, acknowledgement, dry_run)

    return retry_on_conflict(
        attempt,
        attempts=ATTEMPTS,
        exhausted=UserError(f"{raw.name}: others changed the damaged files, {ATTEMPTS} times; run again"),
    )


def _repair(
    conf: Conf,
    raw: Table,
    snapshot: DeltaTable,
    files: list[DataFile],
    acknowledgement: Acknowledgement | None,
    dry_run: bool,
) -> Restored | None:
    topic = TOPICS[raw.name.removeprefix("raw/")]
    accounts = _accounts(raw, snapshot.version())
    present, digests = _intact_rows(snapshot, {file.path for file in files})
    missing = {
        key: expected - digests.get(key, EMPTY)
        for key, expected in accounts.expected.items()
        if expected != digests.get(key, EMPTY)
    }
    if not files and not missing:
        return None
    restored: list[pa.Table] = []
    notes: list[ErasedRecord] = []
    losses: list[Loss] = []
    changes: list[PartitionChange] = []
    salvaged = _salvage(snapshot, files)
    for key, gap in sorted(missing.items()):
        rows = _from_kafka(conf, topic, snapshot, key, accounts, present[key])
        rows = _add_salvaged(rows, salvaged, key, accounts, present[key])
        rows, erased = _keep_erased(rows, accounts.erased)
        lost = missing_after(gap, rows)
        if lost != EMPTY:
            if lost.rows <= 0:
                raise UserError(
                    f"{raw.name} partition {key[1]}: Kafka has other records at landed offsets, so the "
                    "damaged rows cannot be restored from it; restore the table from a backup"
                )
            losses.append(_loss(raw, topic, key, lost.rows, accounts, present[key], rows))
            placeholders = _erased_rows(key, erased)
            changes.append(PartitionChange(*key, removed=lost, added=_digest(placeholders)))
            notes += [
                ErasedRecord(record_id, digest, _digest(_erased_rows(key, {record_id: digest})))
                for record_id, digest in sorted(erased.items())
            ]
            rows = pa.concat_tables([rows, placeholders])
        restored.append(rows)
    table = pa.concat_tables([_SCHEMA.empty_table(), *restored])
    result = Restored(raw.name, [file.path for file in files], table.num_rows, losses, False)
    if dry_run or (losses and acknowledgement is None):
        return result
    metadata = {"repair": msgspec.json.encode({"rows": table.num_rows}).decode()}
    if losses and acknowledgement is not None:
        acknowledged = [
            loss._replace(reason=acknowledgement.reason, acknowledged_by=acknowledgement.by)
            for loss in losses
        ]
        metadata[LOSSES.key] = msgspec.json.encode(
            [data_loss.to_json(loss) for loss in acknowledged]
        ).decode()
        amendment = Amendment(Kind.DAMAGE, acknowledgement.reason, acknowledgement.by, changes, erased=notes)
        metadata[amendments.METADATA_KEY] = amendments.dumps(amendment)
    added = _write(raw, files, table, accounts, bool(losses))
    failpoint("repair:commit")
    file_swap.replace(snapshot, files, added, data_change=bool(losses), metadata=metadata)
    failpoint("repair:committed")
    return result._replace(is_committed=True)


_SCHEMA = pa.schema([*raw_encoding.FILE_SCHEMA, pa.field("correction", pa.binary())])


def missing_after(gap: Digest, rows: pa.Table) -> Digest:
    """Return the digest of the rows of a partition that are missing after these have been restored."""
    return gap - _digest(rows)


def _accounts(raw: Table, version: int) -> _Accounts:
    accounts = _Accounts({}, defaultdict(list), {}, {})
    for row in receipts.read(raw, version).to_pylist():
        key = row["topic_id"], row["partition"]
        digest = Digest.parse(row["rows"], row["digest"])
        accounts.expected[key] = accounts.expected.get(key, EMPTY) + digest
        accounts.landed[key].append((row["start_offset"], row["end_offset"], row["committed_at"].date()))
    for row in commit_metadata.read(raw, AMENDMENTS, version).to_pylist():
        key = row["topic_id"], row["partition"]
        accounts.expected[key] += Digest.parse(row["rows_added"], row["digest_added"]) - Digest.parse(
            row["rows_removed"], row["digest_removed"]
        )
        if row["expired_below"] is not None:
            accounts.expired_below[key] = max(accounts.expired_below.get(key, 0), row["expired_below"])
        for entry in row["erased"] or ():
            accounts.erased[RecordId(*key, entry["offset"])] = Digest.parse(1, entry["digest_added"])
    return accounts


def _intact_rows(snapshot: DeltaTable, damaged: set[str]) -> tuple[dict[Key, set[int]], dict[Key, Digest]]:
    """Return the offsets and the digests of the rows in the files that are not damaged."""
    present: dict[Key, set[int]] = defaultdict(set)
    digests: dict[Key, Digest] = {}
    for file in file_swap.data_files(snapshot):
        if file.path in damaged:
            continue
        for batch in integrity.batches(_read(snapshot, file.path)):
            rows = pa.Table.from_batches([batch])
            for key, digest in amendments.digests(rows).items():
                digests[key] = digests.get(key, EMPTY) + digest
            for record_id in amendments.record_ids(rows):
                present[record_id[:2]].add(record_id.offset)
    return present, digests


def _from_kafka(
    conf: Conf, topic: Topic, snapshot: DeltaTable, key: Key, accounts: _Accounts, present: set[int]
) -> pa.Table:
    """Read the landed records of a partition that Kafka still has and no intact file holds."""
    topic_id, partition = key
    state = topics.describe(conf, [topic.name])[topic.name]
    # After a truncation Kafka has other records at the offsets of the earlier topic ids.
    if topic_id != offsets.current_id(snapshot, state.topic_id) or partition not in state.partitions:
        return _SCHEMA.empty_table()
    first, last = accounts.landed[key][0][0], accounts.landed[key][-1][1]
    start = max(first, state.partitions[partition][0], accounts.expired_below.get(key, 0))
    if start >= last:
        return _SCHEMA.empty_table()
    return pa.concat_tables(
        [
            _SCHEMA.empty_table(),
            *(
                _encode(topic, topic_id, part)
                for chunk in reader.read(conf, topic.name, {partition: (start, last)})
                if (part := _without(chunk, present)).offsets
            ),
        ]
    )


def _without(chunk: Chunk, present: set[int]) -> Chunk:
    keep = [index for index, offset in enumerate(chunk.offsets) if offset not in present]
    return Chunk(
        chunk.partition,
        [chunk.offsets[index] for index in keep],
        [chunk.timestamps[index] for index in keep],
        [chunk.keys[index] for index in keep],
        [chunk.values[index] for index in keep],
        [chunk.headers[index] for index in keep],
    )


def _encode(topic: Topic, topic_id: str, chunk: Chunk) -> pa.Table:
    rows, _ = raw_encoding.encode(topic_id, chunk, topic.decoder().decode)
    return _normalize(pa.Table.from_batches([rows]))


def _normalize(rows: pa.Table) -> pa.Table:
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in _SCHEMA
    ]
    return pa.table(columns, names=_SCHEMA.names).cast(_SCHEMA)


def _salvage(snapshot: DeltaTable, files: Sequence[DataFile]) -> pa.Table:
    """Return what decodes of the damaged files and of files that compaction has replaced.

    The digests decide whether these rows are right.
    """
    storage = PyFileSystem(DeltaStorageHandler(snapshot.table_uri))
    damaged = [file.path for file in files]
    current = {file.path for file in file_swap.data_files(snapshot)}
    replaced = [
        info.path
        for info in storage.get_file_info(FileSelector("", recursive=True))
        if info.path.endswith(".parquet") and not info.path.startswith(LOG) and info.path not in current
    ]
    parts = [_SCHEMA.empty_table()]
    for path in [*replaced, *damaged]:
        try:
            rows = pa.Table.from_batches(integrity.batches(_read(snapshot, path), verify=False))
            parts.append(_normalize(rows))
        # Whatever damaged bytes raise: nothing can be salvaged.
        except Exception:  # noqa: S112
            continue
    return pa.concat_tables(parts)


def _add_salvaged(
    rows: pa.Table, salvaged: pa.Table, key: Key, accounts: _Accounts, present: set[int]
) -> pa.Table:
    """Add the salvaged records of a partition that Kafka does not have, and erased ones."""
    of_key = salvaged.filter((pc.field("topic_id") == key[0]) & (pc.field("partition") == key[1]))
    erased = {record_id.offset for record_id in accounts.erased if record_id[:2] == key}
    known = {*present, *rows["offset"].to_pylist()} - erased
    below = accounts.expired_below.get(key, 0)
    keep = []
    for offset in of_key["offset"].to_pylist():
        is_new = offset not in known and offset >= below
        keep.append(is_new)
        if is_new:
            known.add(offset)
    extra = of_key.filter(pa.array(keep, pa.bool_()))
    is_replaced = pc.is_in(rows["offset"], extra["offset"].combine_chunks())
    return pa.concat_tables([rows.filter(pc.invert(is_replaced)), extra])


def _keep_erased(
    rows: pa.Table, erased: Mapping[RecordId, Digest]
) -> tuple[pa.Table, dict[RecordId, Digest]]:
    """Remove records that were erased and have other bytes than the erasure wrote; also return those."""
    removed = {
        record_id: erased[record_id]
        for index, record_id in enumerate(amendments.record_ids(rows))
        if record_id in erased and _digest(rows.slice(index, 1)) != erased[record_id]
    }
    keep = [record_id not in removed for record_id in amendments.record_ids(rows)]
    return rows.filter(pa.array(keep, pa.bool_())), removed


def _erased_rows(key: Key, erased: Mapping[RecordId, Digest]) -> pa.Table:
    """Return rows that keep the record ids of erased records and nothing of their content."""
    rows = [
        {
            "topic_id": key[0],
            "partition": key[1],
            "offset": record_id.offset,
            "value": NOTE,
            "problem": ERASED_PROBLEM,
        }
        for record_id in sorted(erased)
    ]
    return pa.Table.from_pylist(rows, _SCHEMA)


def _loss(
    raw: Table, topic: Topic, key: Key, count: int, accounts: _Accounts, present: set[int], rows: pa.Table
) -> Loss:
    """Return the loss of `count` records of a partition, between the first and last offset without a row."""
    known = {*present, *rows["offset"].to_pylist()}
    below = accounts.expired_below.get(key, 0)
    absent = [
        offset
        for start, end, _ in accounts.landed[key]
        for offset in range(max(start, below), end)
        if offset not in known
    ]
    times = [
        (row["first_event_time"], row["last_event_time"])
        for row in receipts.read(raw).to_pylist()
        if (row["topic_id"], row["partition"]) == key
        and row["first_event_time"]
        and any(row["start_offset"] <= offset < row["end_offset"] for offset in (absent[0], absent[-1]))
    ]
    return Loss(
        topic.name,
        *key,
        DAMAGED,
        absent[0],
        absent[-1] + 1,
        count,
        min((first for first, _ in times), default=None),
        max((last for _, last in times), default=None),
    )


def _write(
    raw: Table, files: Sequence[DataFile], rows: pa.Table, accounts: _Accounts, data_change: bool
) -> list[AddAction]:
    """Write the rows as one file per date of the damaged files, and return the actions that add them."""
    dates = sorted({str(file.partition["ingest_date"]) for file in files}) or sorted(
        {str(day) for ranges in accounts.landed.values() for _, _, day in ranges}
    )
    row_dates = pa.array(list(_dates(rows, dates, accounts)), pa.string())
    store, now, actions = Store(raw.lake), datetime.now(UTC), []
    for day in dates:
        part = rows.filter(pc.equal(row_dates, day))
        if not part.num_rows:
            continue
        data = parquet.encode(part)
        path = f"ingest_date={day}/part-{uuid.uuid4()}.zstd.parquet"
        failpoint("repair:write")
        store.put(f"{raw.name}/{path}", data)
        actions.append(
            AddAction(
                path,
                len(data),
                {"ingest_date": day},
                int(now.timestamp() * 1000),
                data_change,
                parquet.statistics(part),
            )
        )
    return actions


def _dates(rows: pa.Table, dates: Sequence[str], accounts: _Accounts) -> Iterator[str]:
    """Yield the date of each row: that of its landing, or the first if no damaged file has that date."""
    for record_id in amendments.record_ids(rows):
        landed = next(
            (
                str(day)
                for start, end, day in accounts.landed[record_id[:2]]
                if start <= record_id.offset < end
            ),
            dates[0],
        )
        yield landed if landed in dates else dates[0]


def _digest(rows: pa.Table) -> Digest:
    """Return the digest of rows of one partition."""
    return next(iter(amendments.digests(rows).values()), EMPTY)


def _read(snapshot: DeltaTable, path: str) -> bytes:
    with PyFileSystem(DeltaStorageHandler(snapshot.table_uri)).open_input_file(path) as source:
        return source.read()
