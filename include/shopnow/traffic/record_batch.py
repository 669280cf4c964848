"""What one transaction sends: the events of a journal as records, with their faults, and what the ledger tells of each."""

import heapq
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from shopnow.schemas import TIMESTAMP
from shopnow.traffic import counter_rng, json_templates
from shopnow.traffic import faults as faulty
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
            metadata={"comment": "pieces of an order_placed, quantity_change of a stock event"},
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
            metadata={"comment": "what is wrong with the record on purpose; null: nothing"},
        ),
        pa.field(
            "skew_ms",
            pa.int64(),
            nullable=False,
            metadata={"comment": "by how much event_time is ahead of the true time"},
        ),
    ]
)
"""What is known of a record before the broker says where it is."""

_FACTS = [
    RECORD_SCHEMA.field(name)
    for name in ("order_id", "product_id", "quantity", "quantity_after", "amount_cents")
]


class Batch(NamedTuple):
    """Records in the order to send them."""

    topics: list[str]
    keys: list[bytes]
    values: list[bytes]
    told: pa.Table
    """See `TOLD`."""


class _Records(NamedTuple):
    """Columns of equal length."""

    kinds: np.ndarray
    keys: list[bytes]
    values: list[bytes]
    ids: np.ndarray
    """36 bytes each."""
    times: np.ndarray
    """In ms, as sent."""
    skews: np.ndarray
    facts: list[LedgerFields]
    faults: list[str | None]


HeldQueue = list[tuple[int, int, HeldRecord]]
"""Records that were held back, as a heap: when each is due, the number of its event, the record."""


def build_batch(
    journal: EventBuffer,
    faults: Faults,
    keys: tuple[int, int],
    first: int,
    before: int,
    now: int,
    waiting: HeldQueue,
) -> tuple[Batch, list[HeldRecord]]:
    """The journal's events as records, and among them those that were held back and are due by now.

    Args:
        keys: of the events' ids, and of their fates.
        first: number of the first event in the life of the shop.
        before: where the shop's clock stood before the first event, in ms.
        now: where it stands now.
        waiting: what is due is taken out of it, what is held back and not due yet is put in.

    Returns:
        The batch, and what it put in.
    """
    records = _records(journal, faults, keys, first)
    fates = faulty.assign_faults(faults, keys[1], first, len(journal.times))
    if not fates and not (waiting and waiting[0][0] <= now):
        return _batch(records), []
    reached = np.maximum.accumulate(np.maximum(np.array(journal.times, dtype=np.int64), before))
    kept = np.ones(len(reached), dtype=bool)
    held = []
    for index, fate in fates.items():
        if fate.fault in MALFORMED:
            records.values[index] = faulty.corrupt(records.values[index], fate.fault)
            records.faults[index] = fate.fault
        else:
            kept[index] = fate.fault == DUPLICATE
            held.append(_hold(records, index, fate, first + index, int(reached[index]) + fate.delay))
            heapq.heappush(waiting, (held[-1].due, held[-1].number, held[-1]))
    due = []
    while waiting and waiting[0][0] <= now:
        due.append(heapq.heappop(waiting)[2])
    # Each goes before the first event that takes the clock to where it is due, however the events are cut into batches.
    places = np.searchsorted(reached, [each.due for each in due]) - 0.5
    order = np.argsort(
        np.concatenate([places, np.where(kept, np.arange(len(reached)), np.inf)]), kind="stable"
    )
    return _batch(_take(_of_held(due), records, order[: len(due) + kept.sum()])), [
        each for each in held if each.due > now
    ]


def _records(journal: EventBuffer, faults: Faults, keys: tuple[int, int], first: int) -> _Records:
    count = len(journal.times)
    entries = journal.entries
    bodies, record_keys = [entry[2] for entry in entries], [entry[1] for entry in entries]
    versions, skews = (
        faulty.schema_versions(faults, keys[1], first, count),
        faulty.clock_skews(faults, record_keys),
    )
    if faults.schema_v1:
        bodies = [
            faulty.to_version_1(body) if version == 1 else body
            for body, version in zip(bodies, versions.tolist(), strict=True)
        ]
    times = np.array(journal.times, dtype=np.int64) + skews
    tails = json_templates.tails(times, counter_rng.random_words(keys[0], first, count, each=2), versions)
    return _Records(
        np.array([entry[0] for entry in entries], dtype=np.intp),
        record_keys,
        [body + tail for body, tail in zip(bodies, tails.texts, strict=True)],
        np.frombuffer(tails.ids, "S36"),
        times,
        skews,
        [entry[3] for entry in entries],
        [None] * count,
    )


def _hold(records: _Records, index: int, fate: InjectedFault, number: int, due: int) -> HeldRecord:
    return HeldRecord(
        due,
        number,
        fate.fault,
        int(records.kinds[index]),
        int(records.times[index]),
        int(records.skews[index]),
        records.keys[index].decode(),
        records.values[index].decode(),
        records.ids[index].decode(),
        records.facts[index],
    )


def _of_held(held: list[HeldRecord]) -> _Records:
    return _Records(
        np.array([each.kind for each in held], dtype=np.intp),
        [each.key.encode() for each in held],
        [each.value.encode() for each in held],
        np.array([each.event_id for each in held], dtype="S36"),
        np.array([each.at for each in held], dtype=np.int64),
        np.array([each.skew for each in held], dtype=np.int64),
        [each.facts for each in held],
        [each.fault for each in held],
    )


def _take(first: _Records, second: _Records, order: np.ndarray) -> _Records:
    """Of the two, one after the other, the rows in that order."""
    rows = order.tolist()

    def taken(one, other):
        if isinstance(one, np.ndarray):
            return np.concatenate([one, other])[order]
        both = one + other
        return [both[row] for row in rows]

    return _Records(*map(taken, first, second))


_TOPICS = pa.array([kind.topic for kind in KINDS])
_TAGS = pa.array([kind.tag for kind in KINDS])


def _batch(records: _Records) -> Batch:
    count = len(records.keys)
    kinds = pa.array(records.kinds)
    places = np.arange(count + 1, dtype=np.int32)
    columns = [
        _TOPICS.take(kinds),
        pa.array(records.keys, pa.binary()),
        pa.Array.from_buffers(
            pa.binary(16), count, [None, pa.py_buffer(b"".join(map(xxhash.xxh3_128_digest, records.values)))]
        ),
        pa.StringArray.from_buffers(count, pa.py_buffer(places * 36), pa.py_buffer(records.ids.tobytes())),
        _TAGS.take(kinds),
        pa.array(records.times * 1000).cast(TIMESTAMP),
        *_fact_columns(records.facts),
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


def _fact_columns(facts: list[LedgerFields]) -> list[pa.Array]:
    """Most events have no facts: of those no values are made."""
    there = [each is not NO_LEDGER_FIELDS for each in facts]
    rows = np.cumsum(there) - 1
    taken = pa.array(rows, mask=~np.array(there, dtype=bool))
    some = [each for each in facts if each is not NO_LEDGER_FIELDS]
    return [
        pa.array([each[nth] for each in some], field.type).take(taken) for nth, field in enumerate(_FACTS)
    ]
