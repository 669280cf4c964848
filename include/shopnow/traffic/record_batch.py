"""The records of one transaction: the buffered events with their injected faults, and their ledger rows."""

import heapq
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from shopnow.schemas import TIMESTAMP
from shopnow.traffic import counter_rng, json_templates
from shopnow.traffic import faults as fault_injection
from shopnow.traffic.event_buffer import KINDS, NO_LEDGER_FIELDS, EventBuffer, LedgerFields
from shopnow.traffic.faults import MALFORMED, InjectedFault
from shopnow.traffic.ledger_totals import DUPLICATE
from shopnow.traffic.run_config import Faults
from shopnow.traffic.state import HeldRecord

RECORD_SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("key", pa.binary(), nullable=False),
        pa.field(
            "payload_hash",
            pa.binary(16),
            nullable=False,
            metadata={"comment": "xxh3_128 of the record's value"},
        ),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("event_time", TIMESTAMP, nullable=False, metadata={"comment": "as sent"}),
        pa.field(
            "order_id", pa.string(), metadata={"comment": "of orders, payments, deliveries and stock_sold"}
        ),
        pa.field("product_id", pa.string(), metadata={"comment": "of stock events"}),
        pa.field(
            "quantity",
            pa.int64(),
            metadata={"comment": "units of an order_placed, quantity_change of a stock event"},
        ),
        pa.field("quantity_after", pa.int64(), metadata={"comment": "of stock events"}),
        pa.field(
            "amount_cents",
            pa.int64(),
            metadata={"comment": "of an order_placed before discount, of a payment"},
        ),
        pa.field(
            "fault",
            pa.string(),
            metadata={"comment": "injected fault; null without one"},
        ),
        pa.field(
            "skew_ms",
            pa.int64(),
            nullable=False,
            metadata={"comment": "ms by which event_time is ahead of the true time"},
        ),
    ]
)
"""Schema of a record's ledger row before it is sent: without its run and its position."""

_LEDGER_FIELDS = [
    RECORD_SCHEMA.field(name)
    for name in ("order_id", "product_id", "quantity", "quantity_after", "amount_cents")
]


class Batch(NamedTuple):
    """Records in send order, as columns."""

    topics: list[str]
    keys: list[bytes]
    values: list[bytes]
    rows: pa.Table
    """One row of `RECORD_SCHEMA` per record."""


class _Columns(NamedTuple):
    """Records as columns of equal length."""

    kinds: np.ndarray
    """Index in `KINDS`."""
    keys: list[bytes]
    values: list[bytes]
    ids: np.ndarray
    """Event ids of 36 bytes."""
    times: np.ndarray
    """Event times in ms, as sent."""
    skews: np.ndarray
    fields: list[LedgerFields]
    faults: list[str | None]


HeldQueue = list[tuple[int, int, HeldRecord]]
"""Heap of the held-back records: time when due in ms, number of the event, record."""


def build_batch(
    buffer: EventBuffer,
    faults: Faults,
    keys: tuple[int, int],
    first: int,
    clock_before: int,
    clock: int,
    queue: HeldQueue,
) -> tuple[Batch, list[HeldRecord]]:
    """Turn the buffered events into records, with the held-back records that are due placed among them.

    Args:
        keys: keys of the random numbers for event ids and for faults.
        first: number of the first event in the life of the shop.
        clock_before: the shop's clock before the first event, in ms.
        clock: the shop's clock now, in ms.
        queue: records held back; due ones are removed, new ones are added.

    Returns:
        The batch, and the records newly added to the queue.
    """
    records = _build_columns(buffer, faults, keys, first)
    injected = fault_injection.assign_faults(faults, keys[1], first, len(buffer.times))
    if not injected and not (queue and queue[0][0] <= clock):
        return _to_batch(records), []
    reached = np.maximum.accumulate(np.maximum(np.array(buffer.times, dtype=np.int64), clock_before))
    is_sent = np.ones(len(reached), dtype=bool)
    held = []
    for index, fault in injected.items():
        if fault.kind in MALFORMED:
            records.values[index] = fault_injection.corrupt(records.values[index], fault.kind)
            records.faults[index] = fault.kind
        else:
            is_sent[index] = fault.kind == DUPLICATE
            record = _hold(records, index, fault, first + index, int(reached[index]) + fault.delay)
            held.append(record)
            heapq.heappush(queue, (record.due, record.number, record))
    due = []
    while queue and queue[0][0] <= clock:
        due.append(heapq.heappop(queue)[2])
    # A held record precedes the first event at which the clock reaches its due time. This makes the order
    # independent of how the events are split into batches.
    due_ranks = np.searchsorted(reached, [record.due for record in due]) - 0.5
    ranks = np.concatenate([due_ranks, np.where(is_sent, np.arange(len(reached)), np.inf)])
    order = np.argsort(ranks, kind="stable")[: len(due) + is_sent.sum()]
    batch = _to_batch(_reorder(_columns_of_held(due), records, order))
    return batch, [record for record in held if record.due > clock]


def _build_columns(buffer: EventBuffer, faults: Faults, keys: tuple[int, int], first: int) -> _Columns:
    count = len(buffer.times)
    entries = buffer.entries
    bodies, record_keys = [entry[2] for entry in entries], [entry[1] for entry in entries]
    versions = fault_injection.schema_versions(faults, keys[1], first, count)
    skews = fault_injection.clock_skews(faults, record_keys)
    if faults.schema_v1:
        bodies = [
            fault_injection.to_version_1(body) if version == 1 else body
            for body, version in zip(bodies, versions.tolist(), strict=True)
        ]
    times = np.array(buffer.times, dtype=np.int64) + skews
    tails = json_templates.tails(times, counter_rng.random_words(keys[0], first, count, 2), versions)
    return _Columns(
        np.array([entry[0] for entry in entries], dtype=np.intp),
        record_keys,
        [body + tail for body, tail in zip(bodies, tails.texts, strict=True)],
        np.frombuffer(tails.ids, "S36"),
        times,
        skews,
        [entry[3] for entry in entries],
        [None] * count,
    )


def _hold(records: _Columns, index: int, fault: InjectedFault, number: int, due: int) -> HeldRecord:
    return HeldRecord(
        due,
        number,
        fault.kind,
        int(records.kinds[index]),
        int(records.times[index]),
        int(records.skews[index]),
        records.keys[index].decode(),
        records.values[index].decode(),
        records.ids[index].decode(),
        records.fields[index],
    )


def _columns_of_held(held: list[HeldRecord]) -> _Columns:
    return _Columns(
        np.array([record.kind for record in held], dtype=np.intp),
        [record.key.encode() for record in held],
        [record.value.encode() for record in held],
        np.array([record.event_id for record in held], dtype="S36"),
        np.array([record.at for record in held], dtype=np.int64),
        np.array([record.skew for record in held], dtype=np.int64),
        [record.fields for record in held],
        [record.fault for record in held],
    )


def _reorder(first: _Columns, second: _Columns, order: np.ndarray) -> _Columns:
    """Select the rows of the concatenated columns in the given order."""
    indices = order.tolist()

    def select(left, right):
        if isinstance(left, np.ndarray):
            return np.concatenate([left, right])[order]
        values = left + right
        return [values[index] for index in indices]

    return _Columns(*map(select, first, second))


_TOPICS = pa.array([kind.topic for kind in KINDS])
_TAGS = pa.array([kind.tag for kind in KINDS])


def _to_batch(records: _Columns) -> Batch:
    count = len(records.keys)
    kinds = pa.array(records.kinds)
    hashes = pa.py_buffer(b"".join(map(xxhash.xxh3_128_digest, records.values)))
    id_offsets = np.arange(count + 1, dtype=np.int32) * 36
    columns = [
        _TOPICS.take(kinds),
        pa.array(records.keys, pa.binary()),
        pa.Array.from_buffers(pa.binary(16), count, [None, hashes]),
        pa.StringArray.from_buffers(count, pa.py_buffer(id_offsets), pa.py_buffer(records.ids.tobytes())),
        _TAGS.take(kinds),
        pa.array(records.times * 1000).cast(TIMESTAMP),
        *_ledger_columns(records.fields),
        pa.array(records.faults, pa.string()) if any(records.faults) else pa.nulls(count, pa.string()),
        pa.array(records.skews),
    ]
    topics = [kind.topic for kind in KINDS]
    return Batch(
        [topics[kind] for kind in records.kinds.tolist()],
        records.keys,
        records.values,
        pa.table(columns, schema=RECORD_SCHEMA),
    )


def _ledger_columns(rows: list[LedgerFields]) -> list[pa.Array]:
    """Build the columns of the ledger fields; most events have none, so only the others are converted."""
    is_present = [fields is not NO_LEDGER_FIELDS for fields in rows]
    indices = pa.array(np.cumsum(is_present) - 1, mask=~np.array(is_present, dtype=bool))
    present = [fields for fields in rows if fields is not NO_LEDGER_FIELDS]
    return [
        pa.array([fields[position] for fields in present], field.type).take(indices)
        for position, field in enumerate(_LEDGER_FIELDS)
    ]
