"""Goods that suppliers deliver to the simulated shop, by delivery notes.

Only the shop knows what is on its shelves: a delivery is a run of the shop without shoppers. It takes the shop over as any run
does, lets it live on until now, and puts the goods on the shelves; so the quantity after a delivery is right, whatever runs of the
generator come before, after or at the same time. Events, ledger, state and a record in `delivery_notes` of what was received are
one transaction. A generator that was at work is tried again by Airflow and goes on, with the goods on its shelves.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.broker.topics import DELIVERY_NOTES, LEDGER, SHOP_STATE
from shopnow.events import TOPICS
from shopnow.failpoints import failpoint
from shopnow.traffic import state_reader
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.generate import load_state, send_chunk
from shopnow.traffic.inventory import Inventory
from shopnow.traffic.producer import TransactionalProducer
from shopnow.traffic.run_config import RunConfig
from shopnow.traffic.simulation import Chunk, Simulation
from shopnow.traffic.state import Run, State

MAX_QUANTITY = 10**9


class Delivery(NamedTuple):
    marks: tuple[str, ...]
    """By each of these it is known again: goods that come under a mark that came before are not taken."""
    items: Sequence[tuple[str, int]]
    """Product id and quantity of each."""


class Receipt(msgspec.Struct, frozen=True):
    """That a delivery was received: its marks, when (ms), and what then was on the shelf of each product."""

    marks: tuple[str, ...]
    at: int
    shelves: dict[str, int]


class Outcome(NamedTuple):
    """What became of a delivery."""

    receipt: Receipt | None = None
    """When it was received, now, or before (`known`); None if it was refused."""
    known: str | None = None
    """The mark by which it was known again."""
    refused: tuple[str, ...] = ()
    """Why the shop cannot take it."""


def receive(conf: Conf, run_id: str, deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Put the goods of the deliveries on the shelves, those that were not received before.

    Raises:
        UserError: a topic is missing, Kafka cannot be reached, or another run of the shop has taken over.
        KafkaException: Kafka failed on the way. Calling again receives nothing twice.
    """
    names = [*TOPICS, LEDGER, SHOP_STATE, DELIVERY_NOTES]
    topic_ids = {name: state.topic_id for name, state in topics.describe(conf, names).items()}
    producer = TransactionalProducer(conf)
    # From here on no other run of the shop can commit anything.
    known = {
        key.decode(): msgspec.json.decode(value, type=Receipt)
        for key, value in state_reader.read(conf, DELIVERY_NOTES)
        if value
    }
    chunk, outcomes = apply_deliveries(load_state(conf), known, run_id, deliveries, round(time.time() * 1000))
    if chunk:
        with producer.transaction():
            send_chunk(producer, chunk, run_id, topic_ids)
            for outcome in outcomes:
                if outcome.receipt and not outcome.known:
                    for mark in outcome.receipt.marks:
                        producer.send(DELIVERY_NOTES, mark.encode(), msgspec.json.encode(outcome.receipt))
            failpoint("restock:noted")
        failpoint("restock:committed")
        producer.wait_until_visible()
    return outcomes


def apply_deliveries(
    state: State, known: Mapping[str, Receipt], run_id: str, deliveries: Iterable[Delivery], now: int
) -> tuple[Chunk | None, list[Outcome]]:
    """What the shop sends when it receives the deliveries at `now`, None if it takes none; and what becomes of each.

    `state` is changed. If a run of the generator is not done yet, the goods come at the shop's time, for the run to go on from there.
    """
    clock = state.shop.clock if state.shop else now
    unfinished = any(not run.finished and run.end > clock for run in state.runs.values())
    run = state.runs.get(run_id) or Run(run_id, RunConfig(), sessions=0, start=clock, end=clock)
    run.end = clock + 1 if unfinished else max(clock + 1, now)
    simulation = Simulation(state, run)
    stage = simulation.begin()
    simulation.finish(stage)
    known, outcomes = dict(known), []
    for delivery in deliveries:
        outcome = _take(stage.shelves, known, delivery)
        outcomes.append(outcome)
        if outcome.receipt:
            known |= dict.fromkeys(outcome.receipt.marks, outcome.receipt)
    if not any(outcome.receipt and not outcome.known for outcome in outcomes):
        return None, outcomes
    return simulation.chunk(stage), outcomes


def _take(shelves: Inventory, known: Mapping[str, Receipt], delivery: Delivery) -> Outcome:
    shop = shelves.shop
    for mark in delivery.marks:
        if mark in known:
            return Outcome(known[mark], known=mark)
    wanted: dict[str, int] = {}
    for product_id, quantity in delivery.items:
        wanted[product_id] = wanted.get(product_id, 0) + quantity
    if unknown := [product_id for product_id in wanted if product_id not in PRODUCTS]:
        return Outcome(refused=tuple(f"the shop has no product {product_id!r}" for product_id in unknown))
    if full := [
        product_id
        for product_id, quantity in wanted.items()
        if shop.shelves[product_id].quantity + quantity > MAX_QUANTITY
    ]:
        return Outcome(
            refused=tuple(
                f"the shop has no room for so much of product {product_id!r}" for product_id in full
            )
        )
    for product_id, quantity in delivery.items:
        shelves.receive(product_id, quantity)
    return Outcome(
        Receipt(
            delivery.marks,
            shop.clock,
            {product_id: shop.shelves[product_id].quantity for product_id in wanted},
        )
    )
