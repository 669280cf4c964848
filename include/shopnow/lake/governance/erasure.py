"""Erase a customer's personal data from every table of the lake, in amendments that the audit recognizes.

A run may be killed anywhere and repeated. Therefore `orders`, which tells which orders were theirs, is erased
last, and a note next to the tables keeps the pseudonym until the end, so that it is the same in all rows.
After that it is kept nowhere.

A run of compute_kpis may have read raw before the erasure. So each events table is fenced first: a commit
with compute_kpis' own app transaction, at the raw version before the latest, makes such a run start over on
the erased raw table.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileType, PyFileSystem

from shopnow.events import TOPICS, Topic
from shopnow.failpoints import failpoint
from shopnow.kpis import CUSTOMER_ORDERS
from shopnow.lake.delta import rewrite, tables
from shopnow.lake.delta.conflicts import Conflict, retry_on_conflict
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments, redaction
from shopnow.lake.governance.amendments import METADATA_KEY, Amendment, Kind
from shopnow.lake.governance.redaction import Subject
from shopnow.schemas import PAYLOADS, RAW

COMPUTE_APPLICATION = "compute_kpis"
"""App transaction id of compute_kpis in the events tables."""

# Columns of events tables with file statistics; none holds personal data.
_EVENT_STATISTICS = ("event_id", "source_partition", "source_offset")
_NOTES = "forgetting"
_LAST_TOPIC = "orders"


class Erasure(NamedTuple):
    """Number of rows erased in a table; for raw, also the latest Kafka timestamp among them."""

    table: str
    rows: int
    latest: datetime | None = None


def erase_customer(lake: str, customer_id: str, *, why: str, by: str, dry_run: bool = False) -> list[Erasure]:
    """Erase a customer's personal data from the lake; records that are not landed yet are not covered.

    Idempotent, also after a run that was killed: the next run erases the rest.

    Args:
        why, by: reason and author of the amendments.
        dry_run: count the rows without changing anything.

    Returns:
        The tables with rows that were, or with `dry_run` would be, erased.

    Raises:
        UserError: other writers changed the same files at every attempt.
        deltalake.exceptions.DeltaError, OSError: the lake failed; the next run erases the rest.
    """
    customer_id = unicodedata.normalize("NFC", customer_id)
    orders = _order_ids(lake, customer_id)
    note = hashlib.sha256(customer_id.encode()).hexdigest()
    subject = Subject(
        customer_id, frozenset(orders), f"forgotten-{'?' * 16}" if dry_run else _pseudonym(lake, note)
    )
    failpoint("forget:plan")
    erasures = []
    for topic in _sorted(TOPICS.values()):
        erasures.append(_erase_raw(lake, topic, subject, why, by, dry_run))
        if redaction.has_personal_data(topic):
            erasures.append(_erase_events(lake, topic, subject, why, by, dry_run))
    erasures.append(_erase_customer_orders(lake, subject, why, by, dry_run))
    if not dry_run:
        failpoint("forget:erased")
        _delete_note(lake, note)
    return [erasure for erasure in erasures if erasure.rows]


def describe_remaining_copies(
    erasures: Iterable[Erasure], retention_days: Mapping[str, float | None]
) -> list[str]:
    """Describe, in sentences, which copies remain after the erasure and until when.

    Args:
        retention_days: retention of each Kafka topic in days; None if unlimited.
    """
    lines = []
    for erasure in erasures:
        topic = erasure.table.removeprefix("raw/")
        if topic in retention_days and erasure.latest:
            days = retention_days[topic]
            until = (
                "forever: its retention is unlimited"
                if days is None
                else f"until {erasure.latest + timedelta(days=days):%Y-%m-%d %H:%M} UTC"
            )
            lines.append(f"Kafka, which cannot rewrite records, keeps those of {topic} {until}.")
    lines.append(
        "Replaced files remain until compact_lake's VACUUM removes them; "
        "statistics in the Delta log remain until it is cleaned up (30 days)."
    )
    return lines


def _sorted(topics: Iterable[Topic]) -> list[Topic]:
    return sorted(topics, key=lambda topic: topic.name == _LAST_TOPIC)


def _order_ids(lake: str, customer_id: str) -> set[str]:
    """Return the ids of the customer's orders, also from events, as raw may have expired."""
    ids: set[str] = set()
    raw, events = Table(lake, "raw/orders"), Table(lake, "events/orders")
    if raw.exists():
        for batch in tables.batches(raw.ensure(RAW), ["key", "headers", *PAYLOADS, "problem"]):
            ids |= redaction.order_ids(pa.Table.from_batches([batch]), customer_id)
    if events.exists():
        for batch in tables.batches(events.open(), ["customer_id", "order_id"]):
            is_subject = pc.fill_null(pc.equal(batch["customer_id"], customer_id), False)
            ids.update(batch.filter(is_subject)["order_id"].to_pylist())
    return ids


def _erase_raw(lake: str, topic: Topic, subject: Subject, why: str, by: str, dry_run: bool) -> Erasure:
    raw, change = Table(lake, f"raw/{topic.name}"), redaction.redact_raw(topic, subject)
    if not raw.exists():
        return Erasure(raw.name, 0)
    if dry_run:
        changed = rewrite.preview(raw.ensure(RAW), change)
    else:
        changed = amendments.amend(raw, Kind.ERASURE, change, reason=why, by=by, point="forget")
    return Erasure(raw.name, changed.after.num_rows, pc.max(changed.after["timestamp"]).as_py())


def _erase_events(lake: str, topic: Topic, subject: Subject, why: str, by: str, dry_run: bool) -> Erasure:
    events, raw = Table(lake, f"events/{topic.name}"), Table(lake, f"raw/{topic.name}")
    if not (events.exists() and raw.exists()):
        return Erasure(events.name, 0)
    snapshot, change = events.open(), redaction.redact_events(subject)
    if dry_run:
        return Erasure(events.name, rewrite.preview(snapshot, change).after.num_rows)
    metadata = {METADATA_KEY: amendments.dumps(Amendment(Kind.ERASURE, why, by))}
    _fence(snapshot, metadata, raw.version() - 1)
    changed = rewrite.rewrite(
        snapshot, change, lambda _: metadata, statistics=_EVENT_STATISTICS, point="forget"
    )
    return Erasure(events.name, changed.after.num_rows)


def _erase_customer_orders(lake: str, subject: Subject, why: str, by: str, dry_run: bool) -> Erasure:
    """Erase the customer in the one KPI with a row per customer; concurrent runs of compute_kpis conflict."""
    kpi = Table(lake, CUSTOMER_ORDERS.name)
    if not kpi.exists():
        return Erasure(kpi.name, 0)
    snapshot, change = kpi.open(), redaction.redact_events(subject)
    if dry_run:
        return Erasure(kpi.name, rewrite.preview(snapshot, change).after.num_rows)
    metadata = {METADATA_KEY: amendments.dumps(Amendment(Kind.ERASURE, why, by))}
    changed = rewrite.rewrite(snapshot, change, lambda _: metadata, statistics=(), point="forget")
    return Erasure(kpi.name, changed.after.num_rows)


def _fence(snapshot: DeltaTable, metadata: dict[str, str], version: int) -> None:
    """Make an empty commit after which compute_kpis cannot commit rows it read from raw up to this version.

    A run that is already committing conflicts with the fence. Spark skips the write of a run that commits
    later, as if its app transaction had been committed before.
    """

    def commit() -> None:
        fenced = max(version, snapshot.transaction_version(COMPUTE_APPLICATION) or 0)
        snapshot.create_write_transaction(
            [],
            mode="append",
            schema=snapshot.schema(),
            partition_by=snapshot.metadata().partition_columns,
            commit_properties=CommitProperties(
                custom_metadata=metadata, app_transactions=[Transaction(COMPUTE_APPLICATION, fenced)]
            ),
        )

    # This conflict means that compute_kpis was faster.
    retry_on_conflict(commit, on={Conflict.SAME_APP_TRANSACTION}, before_retry=snapshot.update_incremental)


def _pseudonym(lake: str, note: str) -> str:
    """Return the pseudonym in the note; write a new one first if there is no note."""
    notes = _notes(lake)
    if notes.get_file_info(note).type is FileType.NotFound:
        try:
            Store(lake).put(f"{_NOTES}/{note}", f"forgotten-{secrets.token_hex(8)}".encode())
        except OSError:
            if notes.get_file_info(note).type is FileType.NotFound:
                raise
            # Another run for the same customer has written the note.
    with notes.open_input_file(note) as source:
        return source.read().decode()


def _delete_note(lake: str, note: str) -> None:
    notes = _notes(lake)
    if notes.get_file_info(note).type is not FileType.NotFound:
        notes.delete_file(note)


def _notes(lake: str) -> PyFileSystem:
    return PyFileSystem(DeltaStorageHandler(f"{lake.rstrip('/')}/{_NOTES}"))
