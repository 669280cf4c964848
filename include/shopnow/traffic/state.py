"""What the shop remembers between sessions, transactions and runs, and how the `shop_state` topic stores it.

The topic is compacted and holds the latest value of each key: `shop`, `run/{run_id}` for each run, and
`order/{order_id}` for each order that something is still to happen to. A transaction writes only what it changed, so
its cost does not grow with the shop. All times are milliseconds since 1970, UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from shopnow.events import Method

Step = Literal["expire", "cancel", "create", "ship", "deliver", "refund"]


class Shelf(msgspec.Struct):
    """The stock of one product."""

    quantity: int
    since: int = 0
    """When the last delivery came."""
    wanted: int = 0
    """Pieces asked for since then, in vain or not."""
    delivery_at: int | None = None
    """When the supplier's next delivery comes, if one was ordered."""


class Shop(msgspec.Struct):
    opened: int
    clock: int
    """Everything up to this time has happened."""
    sessions: int = 0
    customers: int = 0
    events: int = 0
    shelves: dict[str, Shelf] = {}


class OpenOrder(msgspec.Struct):
    """An order that is still waiting for its steps: those later than the shop's clock."""

    order_id: str
    address: str
    items: list[tuple[str, int]]
    """Product id and quantity of each."""
    amount_cents: int
    steps: list[tuple[int, Step]] = []
    payment_id: str = ""
    method: Method = "card"
    attempt: int = 0
    refund_cents: int = 0
    promised_at: int = 0


class Run(msgspec.Struct):
    """A run of the generator: what was asked of it and how far it is. It is finished when `done` reaches `sessions`."""

    run_id: str
    sessions: int
    seed: int
    payment_failure_rate: float
    start: int
    end: int
    done: int = 0
    events: dict[str, int] = {}
    """Events so far, by topic."""


@dataclass
class State:
    """The whole memory: `shop` is None before the very first run."""

    shop: Shop | None = None
    orders: dict[str, OpenOrder] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)


Record = tuple[bytes, bytes | None]
"""A Kafka record's key and value; no value deletes the key."""


def to_records(shop: Shop, run: Run, orders: dict[str, OpenOrder | None]) -> list[Record]:
    """What a transaction writes: the shop, its run, and the orders it opened or (None) closed."""
    encode = msgspec.json.encode
    records: list[Record] = [(f"order/{order_id}".encode(), encode(order) if order else None) for order_id, order in orders.items()]
    return [*records, (f"run/{run.run_id}".encode(), encode(run)), (b"shop", encode(shop))]


def from_records(records: Iterable[Record]) -> State:
    """The state after all these records, oldest first."""
    latest = dict(records)
    state = State()
    for key, value in latest.items():
        if value is None:
            continue
        kind, _, name = key.decode().partition("/")
        if kind == "shop":
            state.shop = msgspec.json.decode(value, type=Shop)
        elif kind == "run":
            state.runs[name] = msgspec.json.decode(value, type=Run)
        elif kind == "order":
            state.orders[name] = msgspec.json.decode(value, type=OpenOrder)
    return state
