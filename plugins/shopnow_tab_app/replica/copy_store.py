"""The copies and derived tables in DuckDB, and which files and provisional rows each has."""

import threading
from collections.abc import Collection, Mapping, Sequence

import duckdb
from confluent_kafka import Message
from deltalake import DeltaTable

from shopnow.lake.delta.file_swap import DataFile
from shopnow_tab_app.replica import derived_tables, replica
from shopnow_tab_app.replica.derived_tables import ProvisionalChange
from shopnow_tab_app.replica.pending import PendingRows
from shopnow_tab_app.replica.protocol import DerivedTable, TableCopy


class CopyStore:
    """Changed by two threads, one that reads the lake and one that reads the topics, in turn."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        address: str,
        copies: Sequence[TableCopy],
        derived: Sequence[DerivedTable],
        with_topics: bool,
    ) -> None:
        """Create empty copies.

        Args:
            address: the lake's address.
            with_topics: whether rows of records that the lake lacks will be added.
        """
        self._database, self._address = database, address
        self._copies = {copy.table: copy for copy in copies}
        self._derived = {table.table: table for table in derived}
        self.pending: Mapping[str, PendingRows] = {
            copy.table: PendingRows(copy, copy.topic) for copy in copies if copy.topic and with_topics
        }
        for copy in copies:
            replica.create(database, copy)
        for table in derived:
            derived_tables.create(database, table)
        self._lock = threading.Lock()
        self._file_numbers: dict[str, dict[str, int]] = {}
        """By copy, the numbers of its files by path."""
        self._derived_from: dict[str, dict[str, dict[str, int]]] = {}
        """By derived table, the file numbers of its sources when it was last computed."""
        self._provisional = {name: ProvisionalChange({}, set()) for name in self._derived}
        """By derived table, the provisional rows of its sources that changed since."""

    def is_derived(self, name: str) -> bool:
        return name in self._derived

    def sources(self, names: Collection[str]) -> list[str]:
        """Return the copies that the derived ones among these tables are computed from."""
        return [source for name in names if name in self._derived for source in self._derived[name].keys]

    def derived_from(self, name: str) -> list[str]:
        """Return the tables derived from a copy."""
        return [table.table for table in self._derived.values() if name in table.keys]

    def update(self, name: str, table: DeltaTable, files: Sequence[DataFile]) -> None:
        """Bring a copy, if there is one of this name, up to the open version of its table.

        Raises:
            OSError, deltalake.exceptions.DeltaError: the lake does not answer; the copy is unchanged.
        """
        copy, pending = self._copies.get(name), self.pending.get(name)
        if copy is None:
            return
        raw = pending.find_source(self._address, table.version(), bool(files)) if pending else None
        with self._lock:
            superseded = pending.covered_by(raw) if pending else []
            self._note_removal(name, superseded)
            self._file_numbers[name] = replica.update(
                self._database, copy, table, files, self._file_numbers.get(name, {}), superseded
            )
            if pending:
                pending.supersede(raw)

    def clear(self, name: str) -> None:
        """Empty the copy of a table that the lake does not have; all its records are pending then."""
        copy, pending = self._copies.get(name), self.pending.get(name)
        with self._lock:
            if copy and self._file_numbers.pop(name, None):
                replica.create(self._database, copy)
                if pending:
                    pending.reset()
            elif pending:
                pending.supersede(None)

    def add(self, pending: PendingRows, messages: Sequence[Message], kafka_id: str) -> bool:
        """Add the rows of new records; return whether the copy changed."""
        name = pending.copy.table
        with self._lock:
            addition = pending.prepare(messages, kafka_id)
            if not addition.obsolete and not addition.numbers:
                return False
            numbers = list(addition.numbers.values())
            self._note_removal(name, addition.obsolete)
            replica.change_provisional(
                self._database, pending.copy, addition.obsolete, numbers, addition.rows
            )
            pending.add(addition)
            for derived in self._computed_from(name):
                self._provisional[derived].added.setdefault(name, []).extend(numbers)
        return True

    def update_derived(self, name: str) -> bool:
        """Bring a derived table up to date with its sources; return whether it changed."""
        derived = self._derived[name]
        with self._lock:
            sources = {source: dict(self._file_numbers.get(source, {})) for source in derived.keys}
            provisional = self._provisional[name]
            if self._derived_from.get(name) == sources and not any(provisional):
                return False
            before = self._derived_from.get(name, {})
            derived_tables.update(self._database, derived, before, sources, provisional)
            self._derived_from[name] = sources
            self._provisional[name] = ProvisionalChange({}, set())
            return True

    def _computed_from(self, name: str) -> list[str]:
        """Return the tables derived from a copy that have been computed; the others will be, as a whole."""
        return [derived for derived in self.derived_from(name) if derived in self._derived_from]

    def _note_removal(self, name: str, numbers: Sequence[int]) -> None:
        """Note the keys of rows that are about to be removed, for the tables derived from them."""
        if numbers:
            for derived in self._computed_from(name):
                keys = derived_tables.keys_of(self._database, self._derived[derived], name, numbers)
                self._provisional[derived].removed_keys.update(keys)
