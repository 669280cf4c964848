"""Versions of the copies and derived tables: each differs from all before when the contents differ."""

import threading
import time
from collections import Counter
from collections.abc import Iterable


class Versions:
    """Set by the threads that change the tables; `changed` is notified, and its lock guards everything."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._versions: dict[str, int | None] = {}
        self._contents: dict[str, tuple[int | None, int]] = {}
        """By copy, the table's version and the number of additions that its own version stands for."""
        self._table_versions: dict[str, int | None] = {}
        self._additions: Counter[str] = Counter()
        """How often provisional rows were added to each copy."""

    def __contains__(self, name: str) -> bool:
        return name in self._versions

    def of(self, names: Iterable[str]) -> dict[str, int | None]:
        """Return the versions of tables that were read; None for one that the lake does not have."""
        return {name: self._versions[name] for name in names if name in self._versions}

    def set_table(self, name: str, version: int | None) -> None:
        """Note that a copy has this version of its table."""
        with self.changed:
            self._table_versions[name] = version
            content = version, self._additions[name]
            if self._contents.get(name, ()) == content:
                return
            self._contents[name] = content
            if self._additions[name]:
                self.set_next(name)
            else:
                self._versions[name] = version
                self.changed.notify_all()

    def add_rows(self, name: str) -> None:
        """Note that provisional rows were added to a copy."""
        with self.changed:
            self._additions[name] += 1
            self.set_table(name, self._table_versions.get(name))

    def set_next(self, name: str) -> None:
        """Note that a table has changed that is not, or not only, a copy of a version of the lake's."""
        with self.changed:
            # At least the time, so that none equals one of an earlier process, which may be part of a cached
            # response's stamp.
            self._versions[name] = max(self._versions.get(name) or 0, time.time_ns()) + 1
            self.changed.notify_all()
