"""The events of a simulation in the order they happen, as columns."""

from datetime import UTC, datetime
from typing import NamedTuple

from shopnow.events import TOPIC_OF, Event

LedgerFields = tuple[str | None, str | None, int | None, int | None, int | None]
"""Event fields that the ledger records: order id, product id, quantity, quantity after, amount in cents."""

NO_LEDGER_FIELDS: LedgerFields = (None, None, None, None, None)


class EventKind(NamedTuple):
    """An event type with its topic and its tag, the value of `event_type`."""

    type: type[Event]
    topic: str
    tag: str


KINDS = [EventKind(type_, topic.name, str(type_.__struct_config__.tag)) for type_, topic in TOPIC_OF.items()]
KIND_INDEX: dict[type[Event], int] = {kind.type: index for index, kind in enumerate(KINDS)}
"""Index of each event type in `KINDS`."""


class EventBuffer:
    """Events as two columns: their times in ms since 1970, and the rest."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.entries: list[tuple[int, bytes, bytes, LedgerFields]] = []
        """Kind index, record key, body (see `shopnow.traffic.json_templates`), ledger fields."""

    def add(
        self, at: int, kind: int, key: bytes, body: bytes, fields: LedgerFields = NO_LEDGER_FIELDS
    ) -> None:
        """Append an event of the kind with that index in `KINDS`, at a time in ms."""
        self.times.append(at)
        self.entries.append((kind, key, body, fields))


def to_datetime(milliseconds: int) -> datetime:
    """Convert ms since 1970 to a UTC datetime."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
