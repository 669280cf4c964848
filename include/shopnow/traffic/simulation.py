"""The shop, simulated: state in, events out, nothing else touched.

The same seed, parameters and state give the same events byte for byte, however the run is cut into chunks: each session
draws from its own random numbers, and what is pending is kept in order of time, not in order of arrival.
"""

import heapq
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import xxhash

from shopnow.events import TOPIC_OF, Event, StockAdjusted, StockRestocked
from shopnow.traffic import orders
from shopnow.traffic.arrivals import HOUR, Arrivals
from shopnow.traffic.catalogue import CATALOGUE, PRODUCTS, Product
from shopnow.traffic.journal import Journal
from shopnow.traffic.sessions import Visit
from shopnow.traffic.state import OpenOrder, Run, Shelf, Shop, State, to_records


class Chunk(NamedTuple):
    """Some sessions' worth of events, in the order to send them, and the state records that go with them."""

    events: list[Event]
    state: list[tuple[bytes, bytes | None]]


def simulate(state: State, run: Run, sessions_per_chunk: int) -> Iterator[Chunk]:
    """The rest of the run, chunk by chunk; `state` and `run` are changed as it goes, and up to date after each chunk."""
    simulation = Simulation(state, run)
    while run.done < run.sessions:
        yield simulation.advance(sessions_per_chunk)


class Simulation:
    def __init__(self, state: State, run: Run) -> None:
        state.shop = state.shop or Shop(opened=run.start, clock=run.start)
        self.state, self.shop, self.run = state, state.shop, run
        self.arrivals = Arrivals(run.start, run.end)
        self.changed: dict[str, OpenOrder | None] = {}
        # What is pending, soonest first: (time, order or product id, step).
        self.agenda: list[tuple[int, str, str]] = [
            (at, order.order_id, step) for order in state.orders.values() for at, step in order.steps if at > self.shop.clock
        ]
        self.agenda += [(shelf.delivery_at, name, "restock") for name, shelf in self.shop.shelves.items() if shelf.delivery_at]
        heapq.heapify(self.agenda)

    def advance(self, sessions: int) -> Chunk:
        """The next sessions of the run, or what is left of them, with all that falls due meanwhile."""
        shop, run = self.shop, self.run
        journal = Journal(shop, run.seed)
        self.changed = {}
        if not run.done:
            self._stock_new_products(journal)
        for _ in range(min(sessions, run.sessions - run.done)):
            self._next_session(journal)
        if run.done == run.sessions:
            self._move_clock(run.end, journal)
        for event in journal.events:
            topic = TOPIC_OF[type(event)].name
            run.events[topic] = run.events.get(topic, 0) + 1
        return Chunk(journal.events, to_records(shop, run, self.changed))

    def _next_session(self, journal: Journal) -> None:
        shop, run = self.shop, self.run
        rng = Random(xxhash.xxh3_128_intdigest(b"%d %d %d" % (run.seed, shop.opened, shop.sessions)))
        self._move_clock(self.arrivals.at((run.done + rng.random()) / run.sessions), journal)
        visit = Visit(shop, rng)
        order = visit.run(run.payment_failure_rate)
        visit.write(journal, opens=min(run.start, shop.clock), leaves=shop.clock)
        if order:
            orders.plan(order, shop.clock, rng)
            self.state.orders[order.order_id] = self.changed[order.order_id] = order
            for at, step in order.steps:
                heapq.heappush(self.agenda, (at, order.order_id, step))
            for product_id, _ in order.items:
                self._reorder_if_low(product_id, rng)
        shop.sessions += 1
        run.done += 1

    def _move_clock(self, to: int, journal: Journal) -> None:
        """Let happen what is due by then."""
        while self.agenda and self.agenda[0][0] <= to:
            at, name, step = heapq.heappop(self.agenda)
            if step == "restock":
                self._restock(name, at, journal)
                continue
            order = self.state.orders[name]
            orders.perform(step, order, at, self.shop, journal)  # type: ignore[arg-type]
            if step == order.steps[-1][1]:
                del self.state.orders[name]
                self.changed[name] = None
        # Another run may have moved the clock past this one's times, when this one is taken up again after it.
        self.shop.clock = max(self.shop.clock, to)

    def _stock_new_products(self, journal: Journal) -> None:
        for product in CATALOGUE:
            if product.product_id not in self.shop.shelves:
                self.shop.shelves[product.product_id] = Shelf(product.opening_stock, self.shop.clock)
                journal.add(
                    StockAdjusted,
                    self.shop.clock,
                    product_id=product.product_id,
                    product_name=product.name,
                    quantity_change=product.opening_stock,
                    quantity_after=product.opening_stock,
                    reason="opening stock",
                )

    def _reorder_if_low(self, product_id: str, rng: Random) -> None:
        shelf, product = self.shop.shelves[product_id], PRODUCTS[product_id]
        enough = max(product.opening_stock // 3, 0 if product.scarce else _demand(shelf, product, self.shop.clock) * 3 // 2)
        if shelf.delivery_at is None and shelf.quantity <= enough:
            shelf.delivery_at = self.shop.clock + int(product.lead_hours * HOUR * (0.8 + 0.4 * rng.random()))
            heapq.heappush(self.agenda, (shelf.delivery_at, product_id, "restock"))

    def _restock(self, product_id: str, at: int, journal: Journal) -> None:
        shelf, product = self.shop.shelves[product_id], PRODUCTS[product_id]
        quantity = max(product.opening_stock, 0 if product.scarce else _demand(shelf, product, at) * 3)
        shelf.quantity += quantity
        shelf.since, shelf.wanted, shelf.delivery_at = at, 0, None
        journal.add(
            StockRestocked,
            at,
            product_id=product_id,
            product_name=product.name,
            quantity_change=quantity,
            quantity_after=shelf.quantity,
        )


def _demand(shelf: Shelf, product: Product, at: int) -> int:
    """Pieces asked for while the supplier takes to deliver, going by the time since the last delivery."""
    lead = product.lead_hours * HOUR
    return shelf.wanted * lead // max(at - shelf.since, lead)
