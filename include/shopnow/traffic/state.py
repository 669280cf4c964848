"""What the shop remembers between sessions, transactions and runs, and how the `shop_state` topic stores it.

The topic is compacted and holds the latest value of each key: `shop/2` (2 for this form of it), `run/{run_id}` for each run, and
`pending/{number}/{part}` for what a transaction left to happen later: the orders it opened, whose futures are fixed, and the
records it held back. Such a batch is written once and deleted when the shop's clock has passed all of it, so a transaction
costs what it changed, not what the shop is. All times are milliseconds since 1970, UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from shopnow.errors import UserError
from shopnow.events import Method
from shopnow.traffic.ledger_totals import LedgerTotals
from shopnow.traffic.run_config import RunConfig

Step = Literal["expire", "cancel", "create", "ship", "deliver", "refund"]

ITEMS_PER_RECORD = 1_000
"""Of a batch of what is pending, so that each is far below Kafka's limit of 1 MB."""


class StockLevel(msgspec.Struct):
    """The stock of one product."""

    quantity: int
    since: int = 0
    """When the last delivery came."""
    wanted: int = 0
    """Pieces asked for since then, in vain or not."""
    delivery_at: int | None = None
    """When the supplier's next delivery comes, if one was ordered."""
    sold_out_at: int | None = None
    """Since when there is nothing left, if so."""
    changed_at: int = 0


class Shop(msgspec.Struct):
    opened: int
    clock: int
    """Everything up to this time has happened."""
    sessions: int = 0
    customers: int = 0
    events: int = 0
    draws: int = 0
    """Random numbers drawn."""
    shelves: dict[str, StockLevel] = {}


class OpenOrder(msgspec.Struct, array_like=True):
    """An order that is still waiting for its steps: those later than the shop's clock."""

    order_id: str
    address: str
    """As it stands in JSON."""
    items: list[tuple[str, int]]
    """Product id and quantity of each."""
    amount_cents: int
    steps: list[tuple[int, Step]] = []
    payment_id: str = ""
    method: Method = "card"
    attempt: int = 0
    refund_cents: int = 0
    promised_at: int = 0


class HeldRecord(msgspec.Struct, array_like=True):
    """A record that is sent later than the event happened, or again."""

    due: int
    number: int
    """Of the event in the life of the shop."""
    fault: str
    kind: int
    at: int
    skew: int
    key: str
    value: str
    event_id: str
    facts: tuple[str | None, str | None, int | None, int | None, int | None]


class StockOut(msgspec.Struct, array_like=True):
    product_id: str
    start: int
    end: int | None = None
    """None while it lasts."""


class Run(msgspec.Struct):
    """A run of the generator: what was asked of it and how far it is."""

    run_id: str
    asked: RunConfig
    sessions: int
    start: int
    end: int
    done: int = 0
    finished: bool = False
    totals: LedgerTotals = msgspec.field(default_factory=LedgerTotals)
    stock_outs: list[StockOut] = []
    """Those that began or ended in this run."""


@dataclass
class State:
    """The whole memory: `shop` is None before the very first run."""

    shop: Shop | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    orders: dict[str, OpenOrder] = field(default_factory=dict)
    held: list[HeldRecord] = field(default_factory=list)
    batches: dict[str, int] = field(default_factory=dict)
    """The keys of what is pending, and when the last of each is due."""


Record = tuple[bytes, bytes | None]
"""A Kafka record's key and value; no value deletes the key."""


_SHOP = b"shop/2"


class _Batch(msgspec.Struct):
    until: int
    orders: list[OpenOrder] = []
    held: list[HeldRecord] = []


def to_records(
    state: State, run: Run, number: int, orders: list[OpenOrder], held: list[HeldRecord]
) -> list[Record]:
    """What a transaction writes: the shop, its run, and what it left to happen later, under a number that only it has.

    Batches that are over by now are deleted, and `state.batches` is brought up to date.
    """
    if state.shop is None:
        raise ValueError("the shop has not been opened")
    encode = msgspec.json.encode
    records: list[Record] = []
    for key in [key for key, until in state.batches.items() if until <= state.shop.clock]:
        del state.batches[key]
        records.append((key.encode(), None))
    for part, start in enumerate(range(0, max(len(orders), len(held)), ITEMS_PER_RECORD)):
        some = slice(start, start + ITEMS_PER_RECORD)
        until = max([order.steps[-1][0] for order in orders[some]] + [each.due for each in held[some]])
        key = f"pending/{number}/{part}"
        state.batches[key] = until
        records.append((key.encode(), encode(_Batch(until, orders[some], held[some]))))
    return [*records, (f"run/{run.run_id}".encode(), encode(run)), (_SHOP, encode(state.shop))]


def from_records(records: Iterable[Record]) -> State:
    """The state after all these records, oldest first.

    Raises:
        UserError: they were written by a version of the generator that remembered other things.
    """
    latest: dict[bytes, bytes] = {}
    for key, value in records:
        if value is None:
            latest.pop(key, None)
        else:
            latest[key] = value
    state = State()
    try:
        if _SHOP in latest:
            state.shop = msgspec.json.decode(latest.pop(_SHOP), type=Shop)
        for key, value in latest.items():
            kind, _, name = key.decode().partition("/")
            if kind == "run":
                state.runs[name] = msgspec.json.decode(value, type=Run)
            elif kind == "pending" and state.shop:
                _take_up(state, key.decode(), msgspec.json.decode(value, type=_Batch), state.shop.clock)
            else:
                raise UserError(_OTHER_FORM)
    except msgspec.DecodeError as error:
        raise UserError(_OTHER_FORM) from error
    return state


_OTHER_FORM = (
    "the topic shop_state was written by another version of ShopNow+, whose shop this one cannot go on with: "
    "begin a new one with another SHOPNOW_DATA_DIR, or, on a Kafka of your own, with topics made anew"
)


def _take_up(state: State, key: str, batch: _Batch, clock: int) -> None:
    """Of a batch, what is still to happen."""
    state.batches[key] = batch.until
    state.orders |= {order.order_id: order for order in batch.orders if order.steps[-1][0] > clock}
    state.held += [each for each in batch.held if each.due > clock]
