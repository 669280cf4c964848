"""Deliveries to the simulated shop, by delivery note.

Only the shop knows its inventory, so a delivery is a run of the shop without shoppers. Like any run it takes
over the shop; it advances the shop's clock to now and adds the goods to the inventory. The quantity after a
delivery is therefore correct whichever runs of the generator come before, after or at the same time. Events,
ledger, state and the receipt in the topic `delivery_notes` are one transaction. Airflow retries a generator
that was fenced, and it resumes with the new inventory.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from shopnow.broker import topic_state
from shopnow.broker.client import Conf
from shopnow.broker.topics import DELIVERY_NOTES, LEDGER, SHOP_STATE
from shopnow.events import TOPICS
from shopnow.failpoints import failpoint
from shopnow.traffic import dedup_keys, state_reader
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.generate import load_state, send_chunk
from shopnow.traffic.inventory import Inventory
from shopnow.traffic.producer import TransactionalProducer
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import Chunk, Simulation
from shopnow.traffic.state import Run, State

log = logging.getLogger(__name__)

MAX_QUANTITY = 10**9


class Delivery(NamedTuple):
    """Goods to add to the inventory."""

    dedup_keys: tuple[str, ...]
    """A delivery with any key of an earlier one is a duplicate and is not received; see `dedup_keys`."""
    items: Sequence[tuple[str, int]]
    """Product id and quantity."""


class Receipt(msgspec.Struct, frozen=True, rename={"dedup_keys": "marks", "stock_after": "shelves"}):
    """Record of a received delivery, as stored in the topic `delivery_notes`."""

    dedup_keys: tuple[str, ...]
    at: int
    """Time of receipt in ms."""
    stock_after: dict[str, int]
    """Quantity on hand after the delivery, by product id."""


class Outcome(NamedTuple):
    """Result of a delivery."""

    receipt: Receipt | None = None
    """The receipt, or that of the earlier delivery for a duplicate; None if rejected."""
    duplicate_key: str | None = None
    """The deduplication key by which the delivery is a duplicate."""
    rejections: tuple[str, ...] = ()
    """Why the delivery was rejected."""


def receive(conf: Conf, run_id: str, deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Add the goods of the deliveries to the inventory, except duplicates.

    Raises:
        UserError: a topic does not exist, Kafka does not respond, or another run of the shop has taken over.
        KafkaException: Kafka failed during the transaction. Calling again receives nothing twice.
    """
    names = [*TOPICS, LEDGER, SHOP_STATE, DELIVERY_NOTES]
    topic_ids = {name: state.topic_id for name, state in topic_state.describe(conf, names).items()}
    producer = TransactionalProducer(conf)
    # The producer has fenced all other runs of the shop, so what is read from here on is final.
    receipts = {
        key.decode(): msgspec.json.decode(value, type=Receipt)
        for key, value in state_reader.read(conf, DELIVERY_NOTES)
        if value
    }
    now = round(time.time() * 1000)
    chunk, outcomes = apply_deliveries(load_state(conf), receipts, run_id, deliveries, now)
    if chunk:
        with producer.transaction():
            send_chunk(producer, chunk, run_id, topic_ids)
            for outcome in outcomes:
                if outcome.receipt and not outcome.duplicate_key:
                    for key in outcome.receipt.dedup_keys:
                        producer.send(DELIVERY_NOTES, key.encode(), msgspec.json.encode(outcome.receipt))
            failpoint("restock:noted")
        failpoint("restock:committed")
        for topic in producer.wait_until_visible():
            log.warning("%s: the goods are committed, but held back by another open transaction", topic)
    return outcomes


def apply_deliveries(
    state: State, receipts: Mapping[str, Receipt], run_id: str, deliveries: Iterable[Delivery], now: int
) -> tuple[Chunk | None, list[Outcome]]:
    """Simulate the receipt of deliveries.

    If a run of the generator is unfinished, the goods arrive at the shop's clock, so that the run can resume
    from there.

    Args:
        state: the shop's state, which is changed.
        receipts: earlier receipts by deduplication key.
        now: time of receipt in ms.

    Returns:
        The chunk to send, None if no delivery is received; and the outcome of each delivery.
    """
    clock = state.shop.clock if state.shop else now
    is_unfinished = any(not run.finished and run.end > clock for run in state.runs.values())
    run = state.runs.get(run_id) or Run(run_id, RunConfig(), sessions=0, start=clock, end=clock)
    run.end = clock + 1 if is_unfinished else max(clock + 1, now)
    simulation = Simulation(state, run)
    segment = simulation.begin()
    simulation.finish(segment)
    receipts = {dedup_keys.identity(key): receipt for key, receipt in receipts.items()}
    outcomes = []
    for delivery in deliveries:
        outcome = _receive(segment.inventory, receipts, delivery)
        outcomes.append(outcome)
        if outcome.receipt:
            receipts |= dict.fromkeys(map(dedup_keys.identity, outcome.receipt.dedup_keys), outcome.receipt)
    if not any(outcome.receipt and not outcome.duplicate_key for outcome in outcomes):
        return None, outcomes
    return simulation.chunk(segment), outcomes


def _receive(inventory: Inventory, receipts: Mapping[str, Receipt], delivery: Delivery) -> Outcome:
    stock = inventory.shop.stock
    for key in delivery.dedup_keys:
        if receipt := receipts.get(dedup_keys.identity(key)):
            return Outcome(receipt, duplicate_key=key)
    quantities: dict[str, int] = {}
    for product_id, quantity in delivery.items:
        quantities[product_id] = quantities.get(product_id, 0) + quantity
    if unknown := [product_id for product_id in quantities if product_id not in PRODUCTS]:
        return Outcome(rejections=tuple(f"the shop has no product {product_id!r}" for product_id in unknown))
    if excessive := [
        product_id
        for product_id, quantity in quantities.items()
        if stock[product_id].quantity + quantity > MAX_QUANTITY
    ]:
        return Outcome(
            rejections=tuple(
                f"the stock of product {product_id!r} would exceed {MAX_QUANTITY} pieces"
                for product_id in excessive
            )
        )
    for product_id, quantity in delivery.items:
        inventory.receive(product_id, quantity)
    stock_after = {product_id: stock[product_id].quantity for product_id in quantities}
    return Outcome(Receipt(delivery.dedup_keys, inventory.shop.clock, stock_after))
