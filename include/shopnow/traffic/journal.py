"""The events of a simulation in the making: each gets its time and its id."""

from datetime import UTC, datetime
from typing import Any

import xxhash

from shopnow.events import SCHEMA_VERSION, Event
from shopnow.traffic.state import Shop


class Journal:
    """Collects events in `events`, in the order they are to be sent."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.seed = seed
        self.events: list[Event] = []

    def add(self, kind: type[Event], at: int, **fields: Any) -> None:
        """Note that an event of that kind happened at `at` (ms)."""
        # Counting through the life of the shop makes ids differ between runs and yet be the same whenever the same run
        # is made again.
        self.shop.events += 1
        digits = xxhash.xxh3_128_hexdigest(b"%d %d %d" % (self.seed, self.shop.opened, self.shop.events))
        self.events.append(kind(event_id=uuid7(at, digits), event_time=moment(at), schema_version=SCHEMA_VERSION, **fields))


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def uuid7(at: int, digits: str) -> str:
    """The UUIDv7 of a time in ms and of (the first 19 of) these hexadecimal digits, of which one gives only two bits."""
    time = f"{at:012x}"
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:19]}"


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
