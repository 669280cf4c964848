"""Forgetting a customer: their personal data is erased from every table of the lake, in amendments that the audit knows of.

It may be killed anywhere and run again. What tells which orders were theirs, `orders`, is therefore erased last; and the
pseudonym is in a note beside the tables until all is done, so that it is the same for all their rows. Then it is kept nowhere.

A run of compute_kpis may have read raw before it was erased. So each events table is fenced first: a commit with an application
transaction of compute_kpis' own, of the raw version before the last, makes such a run start over on raw as it is by then.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileType, PyFileSystem

from shopnow.events import TOPICS, Topic
from shopnow.failpoints import failpoint
from shopnow.kpis import CUSTOMER_ORDERS
from shopnow.lake.delta import rewrite, tables
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments, redaction
from shopnow.lake.governance.amendments import METADATA_KEY, Amendment, Kind
from shopnow.lake.governance.redaction import Subject
from shopnow.schemas import RAW

COMPUTE = "compute_kpis"
"""The application whose transactions the events tables carry."""

# By these files of events are passed over; none of them is of a person.
_EVENT_STATISTICS = ("event_id", "source_partition", "source_offset")
_NOTES = "forgetting"
_LAST = "orders"


class Erasure(NamedTuple):
    """How many rows of a table were erased; for raw, the latest time Kafka stamped one of them with."""

    table: str
    rows: int
    latest: datetime | None = None


def forget(lake: str, customer_id: str, *, why: str, by: str, dry_run: bool = False) -> list[Erasure]:
    """Erase a customer's personal data from the lake. What is not landed yet is not looked at.

    Safe to repeat, also after it was killed half-way; none left are found then.

    Returns:
        What was, or with `dry_run` would be, erased of each table; nothing of tables without any.

    Raises:
        deltalake.exceptions.DeltaError, OSError: the lake failed; run again, and it goes on from there.
    """
    orders = _orders(lake, customer_id)
    note = hashlib.sha256(customer_id.encode()).hexdigest()
    subject = Subject(
        customer_id, frozenset(orders), f"forgotten-{'?' * 16}" if dry_run else _pseudonym(lake, note)
    )
    failpoint("forget:plan")
    done = []
    for topic in _in_order(TOPICS.values()):
        done.append(_raw(lake, topic, subject, why, by, dry_run))
        if redaction.has_personal_data(topic):
            done.append(_events(lake, topic, subject, why, by, dry_run))
    done.append(_customer_orders(lake, subject, why, by, dry_run))
    if not dry_run:
        failpoint("forget:erased")
        _drop(lake, note)
    return [each for each in done if each.rows]


def what_remains(done: Iterable[Erasure], retention_days: Mapping[str, float | None]) -> list[str]:
    """What is still there for a while after all this, and until when, in sentences; `retention_days` is Kafka's, by topic."""
    lines = []
    for each in done:
        topic = each.table.removeprefix("raw/")
        if topic in retention_days and each.latest:
            days = retention_days[topic]
            until = (
                "for ever: its retention has no end"
                if days is None
                else f"until {each.latest + timedelta(days=days):%Y-%m-%d %H:%M} UTC"
            )
            lines.append(f"Kafka, which cannot rewrite records, has those of {topic} {until}.")
    lines.append(
        "Files that were replaced are there until compact_lake's VACUUM takes them; statistics in the log until it is cleaned up (30 days)."
    )
    return lines


def _in_order(topics: Iterable[Topic]) -> list[Topic]:
    return sorted(topics, key=lambda topic: topic.name == _LAST)


def _orders(lake: str, customer_id: str) -> set[str]:
    """The ids of their orders; from events too, as raw may have expired."""
    found: set[str] = set()
    if Table(lake, "raw/orders").exists():
        raw = Table(lake, "raw/orders").ensure(RAW)
        for batch in tables.batches(raw, ["key", "value", "correction", "problem"]):
            found |= redaction.orders(pa.Table.from_batches([batch]), customer_id)
    if Table(lake, "events/orders").exists():
        events = Table(lake, "events/orders").open()
        for batch in tables.batches(events, ["customer_id", "order_id"]):
            found.update(
                batch.filter(pc.fill_null(pc.equal(batch["customer_id"], customer_id), False))[
                    "order_id"
                ].to_pylist()
            )
    return found


def _raw(lake: str, topic: Topic, subject: Subject, why: str, by: str, dry_run: bool) -> Erasure:
    name, change = f"raw/{topic.name}", redaction.from_raw(topic, subject)
    if not Table(lake, name).exists():
        return Erasure(name, 0)
    if dry_run:
        changed = rewrite.preview(Table(lake, name).ensure(RAW), change)
    else:
        changed = amendments.amend(lake, topic.name, Kind.ERASURE, change, reason=why, by=by, point="forget")
    return Erasure(name, changed.after.num_rows, pc.max(changed.after["timestamp"]).as_py())


def _events(lake: str, topic: Topic, subject: Subject, why: str, by: str, dry_run: bool) -> Erasure:
    name, raw = f"events/{topic.name}", f"raw/{topic.name}"
    if not (Table(lake, name).exists() and Table(lake, raw).exists()):
        return Erasure(name, 0)
    table, change = Table(lake, name).open(), redaction.from_events(subject)
    if dry_run:
        return Erasure(name, rewrite.preview(table, change).after.num_rows)
    metadata = {METADATA_KEY: amendments.dumps(Amendment(Kind.ERASURE, why, by))}
    _fence(table, metadata, Table(lake, raw).version() - 1)
    changed = rewrite.rewrite(
        table, change, lambda changed: metadata, statistics=_EVENT_STATISTICS, point="forget"
    )
    return Erasure(name, changed.after.num_rows)


def _customer_orders(lake: str, subject: Subject, why: str, by: str, dry_run: bool) -> Erasure:
    """In the one KPI that has a row for each customer. A run of compute_kpis that reads it at the same time conflicts."""
    name = CUSTOMER_ORDERS.name
    if not Table(lake, name).exists():
        return Erasure(name, 0)
    table, change = Table(lake, name).open(), redaction.from_events(subject)
    if dry_run:
        return Erasure(name, rewrite.preview(table, change).after.num_rows)
    metadata = {METADATA_KEY: amendments.dumps(Amendment(Kind.ERASURE, why, by))}
    changed = rewrite.rewrite(table, change, lambda changed: metadata, statistics=(), point="forget")
    return Erasure(name, changed.after.num_rows)


def _fence(table: DeltaTable, metadata: dict[str, str], version: int) -> None:
    """An empty commit after which no run of compute_kpis can commit what it read from raw at this version or one before.

    One that has begun to commit conflicts with it, and one that begins later is left out by Spark, as if it had been done.
    """
    while True:
        version = max(version, table.transaction_version(COMPUTE) or 0)
        try:
            table.create_write_transaction(
                [],
                mode="append",
                schema=table.schema(),
                partition_by=table.metadata().partition_columns,
                commit_properties=CommitProperties(
                    custom_metadata=metadata, app_transactions=[Transaction(COMPUTE, version)]
                ),
            )
            return
        except CommitFailedError as error:
            if "Concurrent transaction failed" not in str(error):
                raise
        table.update_incremental()  # compute_kpis was faster


def _pseudonym(lake: str, note: str) -> str:
    """What stands in the note, which is written now if there is none."""
    notes = _notes(lake)
    if notes.get_file_info(note).type is FileType.NotFound:
        try:
            Store(lake).put(f"{_NOTES}/{note}", f"forgotten-{secrets.token_hex(8)}".encode())
        except OSError:
            if notes.get_file_info(note).type is FileType.NotFound:
                raise
            # Another run for the same customer was faster.
    with notes.open_input_file(note) as source:
        return source.read().decode()


def _drop(lake: str, note: str) -> None:
    notes = _notes(lake)
    if notes.get_file_info(note).type is not FileType.NotFound:
        notes.delete_file(note)


def _notes(lake: str) -> PyFileSystem:
    return PyFileSystem(DeltaStorageHandler(f"{lake.rstrip('/')}/{_NOTES}"))
