"""What the response of every page has: how old its figures are, and which data is missing."""

from datetime import datetime

from pydantic import BaseModel

from shopnow_tab_app.replica.protocol import ReplicaState


class Missing(BaseModel):
    """Data that a response lacks, or has only as of an earlier time."""

    what: str
    """A table's name, `lake`, `kafka` or `airflow`."""
    why: str
    """`absent`: the table does not exist; `unread`: its first read is in progress; else a sentence."""
    as_of: datetime | None = None
    """Time of the older data shown instead, UTC; null if none is shown."""


class PageResponse(BaseModel):
    """Fields of the response of every page."""

    as_of: str | None
    """When the lake was last read, UTC."""
    missing: list[Missing]


def missing(state: ReplicaState) -> list[Missing]:
    """List the data of the lake that a response lacks."""
    absent = [Missing(what=name, why="absent") for name, version in state.versions.items() if version is None]
    if state.error:
        return [Missing(what="lake", why=state.error, as_of=state.as_of), *absent]
    return [*absent, *(Missing(what=name, why="unread") for name in state.unread)]


def as_of(state: ReplicaState) -> str | None:
    return state.as_of.isoformat(timespec="seconds") if state.as_of else None
