"""The shop's state between transactions and runs, and its encoding in the compacted topic `shop_state`.

The topic holds the latest value of each key: `shop/2` (2 is the version of the format), `run/{run_id}` for
each of the newest `MAX_RUNS` runs, and `pending/{number}/{part}` for the pending items of a transaction: the
orders it opened, whose steps are fixed, and the records it held back. A pending batch is written once, and
deleted when the shop's clock has passed all its items, so a transaction writes what it changed and not the
whole state. All times are milliseconds since 1970, UTC.
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
"""Maximum pending items per record, which keeps records far below Kafka's default limit of 1 MB."""


MAX_RUNS = 9_000
"""Finished runs that are kept: a month of one every five minutes. Each run reads all of them."""


class StockLevel(msgspec.Struct, rename={"restocked_at": "since", "requested": "wanted"}):
    """The stock of one product."""

    quantity: int
    restocked_at: int = 0
    """Time of the last delivery."""
    requested: int = 0
    """Pieces requested since then, available or not."""
    delivery_at: int | None = None
    """Time of the supplier's next delivery; None if none was ordered."""
    sold_out_at: int | None = None
    """Start of the current stock-out; None if there is stock."""
    changed_at: int = 0


class Shop(msgspec.Struct, rename={"stock": "shelves"}):
    """The shop: its clock, its inventory, and the positions of its random numbers."""

    opened: int
    clock: int
    """Simulated time up to which all events have happened."""
    sessions: int = 0
    customers: int = 0
    events: int = 0
    draws: int = 0
    """Random numbers drawn so far."""
    stock: dict[str, StockLevel] = {}
    """By product id."""


class OpenOrder(msgspec.Struct, array_like=True):
    """An order with pending steps: those later than the shop's clock."""

    order_id: str
    address: str
    """JSON-escaped."""
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
    """A record that is sent later than its event happened, or a second time."""

    due: int
    number: int
    """Number of the event in the life of the shop."""
    fault: str
    kind: int
    at: int
    skew: int
    key: str
    value: str
    event_id: str
    fields: tuple[str | None, str | None, int | None, int | None, int | None]
    """See `shopnow.traffic.event_buffer.LedgerFields`."""


class StockOut(msgspec.Struct, array_like=True):
    """A period without stock of a product."""

    product_id: str
    start: int
    end: int | None = None
    """None while it lasts."""


class Run(msgspec.Struct, rename={"config": "asked"}):
    """A run of the generator: its configuration and its progress."""

    run_id: str
    config: RunConfig
    sessions: int
    start: int
    end: int
    done: int = 0
    finished: bool = False
    totals: LedgerTotals = msgspec.field(default_factory=LedgerTotals)
    stock_outs: list[StockOut] = []
    """Stock-outs that began or ended in this run."""


@dataclass
class State:
    """The complete state; `shop` is None before the first run."""

    shop: Shop | None = None
    runs: dict[str, Run] = field(default_factory=dict)
    orders: dict[str, OpenOrder] = field(default_factory=dict)
    held: list[HeldRecord] = field(default_factory=list)
    batches: dict[str, int] = field(default_factory=dict)
    """By key of a pending batch, the time when its last item is due."""


Record = tuple[bytes, bytes | None]
"""Key and value of a Kafka record; a tombstone has no value."""


_SHOP = b"shop/2"


class _Batch(msgspec.Struct):
    """Pending items of a transaction; `until` is when the last one is due."""

    until: int
    orders: list[OpenOrder] = []
    held: list[HeldRecord] = []


def to_records(
    state: State, run: Run, number: int, orders: list[OpenOrder], held: list[HeldRecord]
) -> list[Record]:
    """Encode the state changes of a transaction: the shop, its run, and its pending items.

    Completed batches and the oldest runs beyond `MAX_RUNS` are deleted by tombstones, and from `state`.

    Args:
        number: a number unique to the transaction, for the keys of its pending batches.
        orders: orders opened in the transaction.
        held: records held back in the transaction.
    """
    if state.shop is None:
        raise ValueError("the shop has not been opened")
    encode = msgspec.json.encode
    records: list[Record] = []
    for key in [key for key, until in state.batches.items() if until <= state.shop.clock]:
        del state.batches[key]
        records.append((key.encode(), None))
    for run_id in _surplus_runs(state, run):
        del state.runs[run_id]
        records.append((f"run/{run_id}".encode(), None))
    for part, start in enumerate(range(0, max(len(orders), len(held)), ITEMS_PER_RECORD)):
        items = slice(start, start + ITEMS_PER_RECORD)
        until = max([order.steps[-1][0] for order in orders[items]] + [record.due for record in held[items]])
        key = f"pending/{number}/{part}"
        state.batches[key] = until
        records.append((key.encode(), encode(_Batch(until, orders[items], held[items]))))
    return [*records, (f"run/{run.run_id}".encode(), encode(run)), (_SHOP, encode(state.shop))]


def _surplus_runs(state: State, current: Run) -> list[str]:
    """Return the oldest finished runs, those of the earliest simulated time, beyond `MAX_RUNS`."""
    surplus = len(state.runs) - MAX_RUNS
    if surplus <= 0:
        return []
    finished = [run for run in state.runs.values() if run.finished and run.run_id != current.run_id]
    return [run.run_id for run in sorted(finished, key=lambda run: run.end)[:surplus]]


def from_records(records: Iterable[Record]) -> State:
    """Decode the state from the records of the topic, oldest first.

    Raises:
        UserError: an incompatible version of the generator wrote the records.
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
                _add_pending(state, key.decode(), msgspec.json.decode(value, type=_Batch), state.shop.clock)
            else:
                raise UserError(_INCOMPATIBLE)
    except msgspec.DecodeError as error:
        raise UserError(_INCOMPATIBLE) from error
    return state


_INCOMPATIBLE = (
    "the topic shop_state was written by another version of ShopNow+, whose shop this one cannot continue: "
    "start a new shop with another SHOPNOW_DATA_DIR, or recreate the topics on an external Kafka"
)


def _add_pending(state: State, key: str, batch: _Batch, clock: int) -> None:
    """Add the items of a batch that are later than the shop's clock."""
    state.batches[key] = batch.until
    state.orders |= {order.order_id: order for order in batch.orders if order.steps[-1][0] > clock}
    state.held += [record for record in batch.held if record.due > clock]
