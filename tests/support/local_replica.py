"""The tab's replica in this process, without the server process that `LakeReplica` starts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shopnow_tab_app.replica import server, tables
from shopnow_tab_app.replica.protocol import DerivedTable, TableCopy
from shopnow_tab_app.replica.server import ReplicaServer


@contextmanager
def local_replica(
    address: str,
    folder: Path,
    copies: Sequence[TableCopy] = tables.COPIES,
    derived: Sequence[DerivedTable] = tables.DERIVED,
    poll_seconds: float = 0.5,
    conf: Mapping[str, Any] | None = None,
) -> Iterator[ReplicaServer]:
    """The replica of a lake, which is read every `poll_seconds`.

    Args:
        folder: directory for the copies.
        conf: configuration of Kafka's clients, for records that the lake lacks.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(server, "POLL_SECONDS", poll_seconds)
        replica = ReplicaServer(str(folder), address, copies, derived, conf)
        yield replica
        # The thread ends when no table is requested; it must not run while the interpreter exits.
        monkeypatch.setattr(server, "WATCHED_SECONDS", 0.0)
        if replica._thread:
            replica._thread.join(60)
        replica._topics.join(60)
