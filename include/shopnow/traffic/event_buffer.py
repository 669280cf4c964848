"""The events of a simulation in the making, in the order they are to be sent."""

from datetime import UTC, datetime
from typing import NamedTuple

from shopnow.events import TOPIC_OF, Event

LedgerFields = tuple[str | None, str | None, int | None, int | None, int | None]
"""What the ledger says of an event beside where it is: order id, product id, quantity, quantity after, amount in cents."""

NO_LEDGER_FIELDS: LedgerFields = (None, None, None, None, None)


class EventKind(NamedTuple):
    """An event type."""

    type: type[Event]
    topic: str
    tag: str


KINDS = [EventKind(type_, topic.name, str(type_.__struct_config__.tag)) for type_, topic in TOPIC_OF.items()]
KIND_INDEX: dict[type[Event], int] = {kind.type: number for number, kind in enumerate(KINDS)}
"""The number of each type in `KINDS`."""


class EventBuffer:
    """Events as columns: when each happened (ms), and what."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.entries: list[tuple[int, bytes, bytes, LedgerFields]] = []
        """Kind, key, body (see `shopnow.traffic.json_templates`), facts."""

    def add(
        self, at: int, kind: int, key: bytes, body: bytes, facts: LedgerFields = NO_LEDGER_FIELDS
    ) -> None:
        """Note that an event of that kind, an index of `KINDS`, happened at `at`."""
        self.times.append(at)
        self.entries.append((kind, key, body, facts))


def to_datetime(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
