"""Restore damaged data files of a raw table from Kafka, with the digests of the receipts.

The rows of a damaged file are those that receipts and amendments account for and no intact file holds. They
are read again from Kafka, or else from what still decodes of the damaged file, and replace it in one commit.
The digests must add up; records that nobody has any more are lost, which takes an acknowledgement. Erased
records do not come back: only their record ids do.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS, Topic
from shopnow.failpoints import failpoint
from shopnow.lake.delta import file_swap, parquet
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.file_swap import DataFile
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import (
    Amendment,
    ErasedRecord,
    Kind,
    PartitionChange,
)
from shopnow.lake.ingest import data_loss, receipts
from shopnow.lake.ingest.data_loss import DAMAGED, LOSSES, Acknowledgement, Loss
from shopnow.lake.maintenance.raw_accounts import Accounts, Key, read_accounts, read_intact_rows
from shopnow.lake.maintenance.raw_sources import (
    SCHEMA,
    add_salvaged,
    digest_of,
    erased_rows,
    read_from_kafka,
    salvage,
    split_erased,
)

ATTEMPTS = 3


class Restored(NamedTuple):
    """Result of repairing the data files of a raw table: number of rows restored, and losses."""

    table: str
    files: list[str]
    rows: int
    losses: list[Loss]
    is_committed: bool


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
    accounts = read_accounts(raw, snapshot.version())
    present, digests = read_intact_rows(snapshot, {file.path for file in files})
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
    salvaged = salvage(snapshot, files)
    for key, gap in sorted(missing.items()):
        rows = read_from_kafka(conf, topic, snapshot, key, accounts, present[key])
        rows = add_salvaged(rows, salvaged, key, accounts, present[key])
        rows, erased = split_erased(rows, accounts.erased)
        lost = missing_after(gap, rows)
        if lost != EMPTY:
            if lost.rows <= 0:
                raise UserError(
                    f"{raw.name} partition {key[1]}: Kafka has other records at landed offsets, so the "
                    "damaged rows cannot be restored from it; restore the table from a backup"
                )
            losses.append(_loss(raw, topic, key, lost.rows, accounts, present[key], rows))
            placeholders = erased_rows(key, erased)
            changes.append(PartitionChange(*key, removed=lost, added=digest_of(placeholders)))
            notes += [
                ErasedRecord(record_id, digest, digest_of(erased_rows(key, {record_id: digest})))
                for record_id, digest in sorted(erased.items())
            ]
            rows = pa.concat_tables([rows, placeholders])
        restored.append(rows)
    table = pa.concat_tables([SCHEMA.empty_table(), *restored])
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


def missing_after(gap: Digest, rows: pa.Table) -> Digest:
    """Return the digest of the rows of a partition that are missing after these have been restored."""
    return gap - digest_of(rows)


def _loss(
    raw: Table, topic: Topic, key: Key, count: int, accounts: Accounts, present: set[int], rows: pa.Table
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
    raw: Table, files: Sequence[DataFile], rows: pa.Table, accounts: Accounts, data_change: bool
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


def _dates(rows: pa.Table, dates: Sequence[str], accounts: Accounts) -> Iterator[str]:
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
