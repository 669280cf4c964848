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
        bits = xxhash.xxh3_128_intdigest(b"%d %d %d" % (self.seed, self.shop.opened, self.shop.events))
        self.events.append(kind(event_id=uuid7(at, bits), event_time=moment(at), schema_version=SCHEMA_VERSION, **fields))


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def uuid7(at: int, bits: int) -> str:
    """The UUIDv7 of a time in ms and (the lowest 74 of) these bits."""
    value = at << 80 | 0x7 << 76 | (bits >> 62 & 0xFFF) << 64 | 0b10 << 62 | bits & 0x3FFF_FFFF_FFFF_FFFF
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
