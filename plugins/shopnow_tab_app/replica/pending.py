"""Rows of a topic's records that the events table does not have yet, shown until it has them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count, islice
from typing import NamedTuple

import msgspec
import pyarrow as pa
from confluent_kafka import Message
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from shopnow.broker.reader import Ranges
from shopnow.broker.topic_state import TopicState
from shopnow.events import TOPICS
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import offsets
from shopnow.lake.lineage import unread
from shopnow.validation import check_record
from shopnow_tab_app.replica.protocol import TableCopy

FIRST_NUMBER = 1 << 62
"""Row numbers start here. They stand in the column `_file`, where rows of the lake have a file's number."""
MAX_ROWS = 20_000
"""Rows of a topic; records after them are shown when the table has them, as those of a backlog are."""

MAX_EVENT_IDS = 2 * MAX_ROWS
"""Event ids of a topic that are remembered, the newest."""

_numbers = count(FIRST_NUMBER)

Key = tuple[str, int, int]
"""The lake's topic id, partition and offset of a record."""


class Addition(NamedTuple):
    """Rows to add to a copy."""

    obsolete: list[int]
    """Numbers of rows to remove, as the topic was created again."""
    numbers: dict[Key, int]
    event_ids: dict[str, int]
    """Numbers of the rows by event id."""
    rows: pa.Table
    """With the columns that the copy is made from, in the order of `numbers`."""


class PendingRows:
    """Which records of a topic are in the copy of its events table, although the table lacks them.

    Not thread-safe: the server changes it and the copy under one lock.
    """

    def __init__(self, copy: TableCopy, topic: str) -> None:
        self.copy, self.topic = copy, topic
        self._decode = TOPICS[topic].decoder().decode
        self._raw: DeltaTable | None = None
        self._numbers: dict[Key, int] = {}
        self._event_ids: dict[str, int] = {}
        """Numbers of rows by event id, also of rows that the table has by now: a producer may repeat them."""
        self.is_ready = False
        """Whether it is known what the table has."""

        self.generation = 0
        """Differs from before when records have to be read again."""

    @property
    def is_full(self) -> bool:
        return len(self._numbers) >= MAX_ROWS

    def find_source(self, lake: str, version: int, has_rows: bool) -> DeltaTable | None:
        """Return the snapshot of the raw table that a version of the events table was computed from."""
        raw = None
        with suppress(DeltaError):  # the log was cleaned up
            raw = unread.source_snapshot(Table(lake, self.copy.table), version, self.topic)
        if raw is None and has_rows:
            return Table(lake, f"raw/{self.topic}").open_if_exists()
        return raw

    def covered_by(self, raw: DeltaTable | None) -> list[int]:
        """Return the numbers of the rows that a table computed from this snapshot has."""
        landed = _Landed(raw)
        return [number for key, number in self._numbers.items() if landed.has(key)]

    def supersede(self, raw: DeltaTable | None) -> None:
        """Forget the rows that the table has from now on."""
        if self._raw is not None and (raw is None or raw.version() < self._raw.version()):
            self.generation += 1  # the lake was emptied or restored
            self._event_ids = {}
        covered = set(self.covered_by(raw))
        self._numbers = {key: number for key, number in self._numbers.items() if number not in covered}
        self._raw, self.is_ready = raw, True

    def reset(self) -> None:
        """Forget all rows, as the copy is empty; they are read again."""
        self._numbers, self._event_ids, self._raw, self.is_ready = {}, {}, None, True
        self.generation += 1

    def unread_ranges(self, state: TopicState) -> Ranges:
        """Return the offsets to read, by partition: the newest that the table lacks."""
        ranges = unread.unread_ranges(state, self._raw)
        most = MAX_ROWS // max(len(ranges), 1)
        return {partition: (max(start, end - most), end) for partition, (start, end) in ranges.items()}

    def prepare(self, messages: Sequence[Message], kafka_id: str) -> Addition:
        """Return the rows of the valid events among new records of the topic that has this id in Kafka."""
        topic_id = offsets.current_id(self._raw, kafka_id) if self._raw else kafka_id
        obsolete = [number for key, number in self._numbers.items() if key[0] != topic_id]
        numbers: dict[Key, int] = {}
        event_ids: dict[str, int] = {}
        rows = []
        landed = _Landed(self._raw)
        for message in messages:
            key = topic_id, message.partition(), message.offset()
            if key in self._numbers or landed.has(key):
                continue
            if len(self._numbers) + len(numbers) >= MAX_ROWS:
                self.generation += 1
                break
            event = check_record(
                self._decode, message.value(), message.headers(), message.timestamp()[1]
            ).event
            if event is None:
                continue  # landing quarantines it
            event_id = event.event_id.lower()  # ids are compared by value
            if event_id in self._event_ids or event_id in event_ids:
                continue  # a repeated record is one event
            numbers[key] = event_ids[event_id] = next(_numbers)
            rows.append(msgspec.to_builtins(event, builtin_types=(datetime,)))
        return Addition(obsolete, numbers, event_ids, pa.Table.from_pylist(rows, self.copy.schema))

    def add(self, addition: Addition) -> None:
        """Note that the copy has these rows."""
        obsolete = set(addition.obsolete)
        kept = {key: number for key, number in self._numbers.items() if number not in obsolete}
        self._numbers = kept | addition.numbers
        event_ids = {id_: number for id_, number in self._event_ids.items() if number not in obsolete}
        newest = (event_ids | addition.event_ids).items()
        self._event_ids = dict(islice(newest, max(len(newest) - MAX_EVENT_IDS, 0), None))


class _Landed:
    """Which records a snapshot of the raw table has; looked up once per partition, as that takes long."""

    def __init__(self, raw: DeltaTable | None) -> None:
        self._raw = raw
        self._positions: dict[tuple[str, int], int | None] = {}

    def has(self, key: Key) -> bool:
        topic_id, partition, offset = key
        if self._raw is None:
            return False
        if (topic_id, partition) not in self._positions:
            self._positions[topic_id, partition] = offsets.position(self._raw, topic_id, partition)
        position = self._positions[topic_id, partition]
        return position is not None and offset < position
