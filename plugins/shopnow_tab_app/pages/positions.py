"""Offsets of Kafka and of the raw tables by partition, from which a topic's lag is computed."""

from collections.abc import Callable
from contextlib import suppress

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.ingest import lag
from shopnow.lake.ingest.lag import Position
from shopnow_tab_app.replica.client import LakeReplica

RAW_TABLES = {topic: f"raw/{topic}" for topic in TOPICS}

Positions = dict[str, list[Position]]
"""Positions of the partitions, by topic."""


class PositionReader:
    """Reads the current positions; a raw table's offsets are read from HDFS once for each version."""

    def __init__(self, conf: Callable[[], Conf], lake: LakeReplica) -> None:
        self._conf, self._lake = conf, lake
        self._tables: dict[str, _CachedTransactions] = {}
        self._last: Positions = {}

    def __call__(self) -> Positions:
        """Return the positions; the previous ones while the lake cannot be read, which its state reports.

        Raises:
            UserError: Kafka does not answer.
        """
        stats = self._lake.table_stats(RAW_TABLES.values())
        self._tables = {
            topic: cached
            if (cached := self._tables.get(topic)) and cached.version == stats[table].version
            else _CachedTransactions(self._lake, table, stats[table].version)
            for topic, table in RAW_TABLES.items()
            if table in stats
        }
        states = topic_state.describe(self._conf(), TOPICS)
        with suppress(UserError):
            positions: Positions = {topic: [] for topic in TOPICS}
            for position in lag.compute_positions(states, self._tables):
                positions[position.topic].append(position)
            self._last = positions
        return self._last


class _CachedTransactions:
    """The app transactions of one version of a raw table."""

    def __init__(self, lake: LakeReplica, table: str, version: int) -> None:
        self._lake, self._table, self.version = lake, table, version
        self._versions: dict[str, int | None] = {}

    def transaction_version(self, app_id: str) -> int | None:
        if app_id not in self._versions:
            self._versions[app_id] = self._lake.transaction_version(self._table, app_id)
        return self._versions[app_id]
