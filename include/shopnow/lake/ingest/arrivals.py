"""Topics with records that the lake does not have, for the trigger that wakes `land_events`.

Only the lake knows what has landed, so nothing is committed here: after a restart the comparison of Kafka
and lake comes out the same. Once a landing is asked for, the next is not before the lake has all that the
first one had to land; records that arrive in between share it.
"""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from deltalake import DeltaTable

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topic_state import EndOffsets
from shopnow.events import TOPICS
from shopnow.lake.delta import errors
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import lag
from shopnow.lake.ingest.lag import Position

REFRESH_SECONDS = 60.0
"""Time after which topics are described again, to find new partitions and topics created again."""

PATIENCE_SECONDS = 30.0
"""Time for which other topics wait for a landing that was asked for: a topic that cannot land holds up no
other."""

REPEAT_SECONDS = 300.0
"""Time after which a topic that did not land, and has still newer records, asks again."""


class _Request(NamedTuple):
    ends: Mapping[int, int]
    """The last stable offsets to land, by partition."""
    at: float
    """Monotonic time in seconds."""


class Arrivals:
    """Compares Kafka with the lake; a check without news costs one request to each broker.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """

    def __init__(self, conf: Conf, lake: str, names: Iterable[str] = TOPICS) -> None:
        self._conf, self._lake, self._names = conf, lake, tuple(names)
        self._tables: dict[str, DeltaTable] = {}
        self._landed: dict[str, Mapping[int, int]] = {}
        """The last stable offsets of topics when all of it had landed."""
        self._requests: dict[str, _Request] = {}
        self._connect()

    def check(self) -> list[str]:
        """Return the topics whose records should land now; empty also while a landing is awaited.

        Raises:
            UserError: a topic does not exist, or Kafka or the lake does not respond.
        """
        now = time.monotonic()
        if now - self._connected_at > REFRESH_SECONDS:
            self._connect()
        changed = [name for name, ends in self._ends.read().items() if ends != self._landed.get(name)]
        behind = self._behind(changed) if changed else {}
        if any(now - request.at < PATIENCE_SECONDS for request in self._requests.values()):
            return []
        due = {name: ends for name, ends in behind.items() if self._is_due(name, ends, now)}
        self._requests |= {name: _Request(ends, now) for name, ends in due.items()}
        return sorted(due)

    def _connect(self) -> None:
        self._ends = EndOffsets(self._conf, self._names)
        # A topic created again may have the offsets of the old one, and a raw table another log.
        self._landed.clear()
        self._tables.clear()
        self._connected_at = time.monotonic()

    def _behind(self, names: Iterable[str]) -> dict[str, Mapping[int, int]]:
        """Return the last stable offsets of topics that have not landed; forget requests that were met."""
        states = topic_state.describe(self._conf, names)
        with errors.as_user_errors(self._lake):
            tables = {name: table for name in names if (table := self._table(name)) is not None}
            positions: dict[str, list[Position]] = {name: [] for name in names}
            for position in lag.compute_positions(states, tables):
                positions[position.topic].append(position)
        behind: dict[str, Mapping[int, int]] = {}
        for name, partitions in positions.items():
            if all(position.is_landed for position in partitions):
                self._landed[name] = states[name].end_offsets
                self._requests.pop(name, None)
                continue
            behind[name] = states[name].end_offsets
            request = self._requests.get(name)
            if request and all((p.landed or 0) >= request.ends.get(p.partition, 0) for p in partitions):
                del self._requests[name]
        return behind

    def _table(self, name: str) -> DeltaTable | None:
        """Return a current snapshot of the topic's raw table, None before its first landing."""
        table = self._tables.get(name)
        if table is not None:
            table.update_incremental()
        elif (table := Table(self._lake, f"raw/{name}").open_if_exists()) is not None:
            self._tables[name] = table
        return table

    def _is_due(self, name: str, ends: Mapping[int, int], now: float) -> bool:
        request = self._requests.get(name)
        return request is None or (ends != request.ends and now - request.at >= REPEAT_SECONDS)
