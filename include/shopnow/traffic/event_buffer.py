"""The events of a simulation in the making, in the order they are to be sent."""

from datetime import UTC, datetime
from typing import NamedTuple

from shopnow.events import TOPIC_OF, Event

Facts = tuple[str | None, str | None, int | None, int | None, int | None]
"""What the ledger says of an event beside where it is: order id, product id, quantity, quantity after, amount in cents."""

NO_FACTS: Facts = (None, None, None, None, None)


class Kind(NamedTuple):
    """An event type."""

    type: type[Event]
    topic: str
    tag: str


KINDS = [Kind(type_, topic.name, str(type_.__struct_config__.tag)) for type_, topic in TOPIC_OF.items()]
KIND_OF: dict[type[Event], int] = {kind.type: number for number, kind in enumerate(KINDS)}
"""The number of each type in `KINDS`."""


class Journal:
    """Events as columns: when each happened (ms), and what."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.entries: list[tuple[int, bytes, bytes, Facts]] = []
        """Kind, key, body (see `shopnow.traffic.json_templates`), facts."""

    def add(self, at: int, kind: int, key: bytes, body: bytes, facts: Facts = NO_FACTS) -> None:
        """Note that an event of that kind, an index of `KINDS`, happened at `at`."""
        self.times.append(at)
        self.entries.append((kind, key, body, facts))


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def uuid7(at: int, digits: str) -> str:
    """The UUIDv7 of a time in ms and of (the first 19 of) these hexadecimal digits, of which one gives only two bits."""
    time = f"{at:012x}"
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:19]}"


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
