"""Rows of a topic's records that the events table does not have yet, shown until it has them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count

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

_numbers = count(FIRST_NUMBER)


class PendingRows:
    """Which records of a topic are in the copy of its events table, although the table lacks them.

    Not thread-safe: the server changes it and the copy under one lock.
    """

    def __init__(self, copy: TableCopy, topic: str) -> None:
        self.copy, self.topic = copy, topic
        self._decode = TOPICS[topic].decoder().decode
        self._raw: DeltaTable | None = None
        self._numbers: dict[tuple[str, int, int], int] = {}
        """Number of each row, by the lake's topic id, partition and offset of its record."""
        self.is_ready = False
        """Whether it is known what the table has."""

    @property
    def is_full(self) -> bool:
        return len(self._numbers) >= MAX_ROWS

    def find_source(self, lake: str, version: int) -> DeltaTable | None:
        """Return the snapshot of the raw table that a version of the events table was computed from."""
        try:
            return unread.source_snapshot(Table(lake, self.copy.table), version, self.topic)
        except DeltaError:  # the log was cleaned up
            return Table(lake, f"raw/{self.topic}").open_if_exists()

    def supersede(self, raw: DeltaTable | None) -> list[int]:
        """Note what the table has from now on; forget the rows that it replaces and return their numbers."""
        self._raw, self.is_ready = raw, True
        return self._forget([key for key in self._numbers if self._has(*key)])

    def unread_ranges(self, state: TopicState) -> Ranges:
        """Return the offsets to read, by partition: the newest that the table lacks."""
        ranges = unread.unread_ranges(state, self._raw)
        most = MAX_ROWS // max(len(ranges), 1)
        return {partition: (max(start, end - most), end) for partition, (start, end) in ranges.items()}

    def add(self, messages: Sequence[Message], kafka_id: str) -> tuple[list[int], list[int], pa.Table]:
        """Take the valid events among new records of the topic that has this id in Kafka.

        Returns:
            The numbers of rows that are forgotten, as the topic was created again; of the new rows; and these
            rows, with the columns that the copy is made from.
        """
        topic_id = offsets.current_id(self._raw, kafka_id) if self._raw else kafka_id
        forgotten = self._forget([key for key in self._numbers if key[0] != topic_id])
        numbers, rows = [], []
        for message in messages:
            key = topic_id, message.partition(), message.offset()
            if key in self._numbers or self._has(*key) or self.is_full:
                continue
            event = check_record(
                self._decode, message.value(), message.headers(), message.timestamp()[1]
            ).event
            if event is None:
                continue  # landing quarantines it
            self._numbers[key] = next(_numbers)
            numbers.append(self._numbers[key])
            rows.append(msgspec.to_builtins(event, builtin_types=(datetime,)))
        return forgotten, numbers, pa.Table.from_pylist(rows, self.copy.schema)

    def _has(self, topic_id: str, partition: int, offset: int) -> bool:
        landed = None if self._raw is None else offsets.position(self._raw, topic_id, partition)
        return landed is not None and offset < landed

    def _forget(self, keys: Sequence[tuple[str, int, int]]) -> list[int]:
        return [self._numbers.pop(key) for key in keys]
