"""The simulation of the shop, a pure function: state in, records out.

The same seed, parameters and state give the same records byte for byte, however the run is split into chunks:
random numbers are a function of their position in the life of the shop, and pending items are ordered by
time, not by insertion.
"""

import heapq
from binascii import hexlify
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from shopnow.traffic import counter_rng, ledger_totals, orders, record_batch, scenarios
from shopnow.traffic.arrivals import Arrivals
from shopnow.traffic.counter_rng import Draws
from shopnow.traffic.event_buffer import EventBuffer
from shopnow.traffic.inventory import Inventory
from shopnow.traffic.ledger_totals import Demand
from shopnow.traffic.record_batch import Batch
from shopnow.traffic.scenarios import Conditions
from shopnow.traffic.sessions import ProductTemplates, VisitSimulator, product_chooser
from shopnow.traffic.state import OpenOrder, Record, Run, Shop, State, StockOut, to_records

_RESTOCK = -1
"""Step index of the agenda entries that are supplier deliveries, not order steps."""


class Chunk(NamedTuple):
    """The output of some sessions: records, demand by hour and product, and state records."""

    batch: Batch
    demand: Mapping[tuple[int, str], Demand]
    state: list[Record]


def simulate(state: State, run: Run, sessions_per_chunk: int) -> Iterator[Chunk]:
    """Simulate the rest of the run in chunks; `state` and `run` are updated with each chunk."""
    simulation = Simulation(state, run)
    while not run.finished:
        yield simulation.advance(sessions_per_chunk)


class Segment(NamedTuple):
    """A part of the simulation in progress: its event buffer and inventory, and where it began."""

    buffer: EventBuffer
    inventory: Inventory
    first_event: int
    """Number of its first event in the life of the shop."""
    clock: int
    """The shop's clock at its start, in ms."""


class Simulation:
    """A run of the shop; `advance` simulates it chunk by chunk."""

    def __init__(self, state: State, run: Run) -> None:
        shop = state.shop = state.shop or Shop(opened=run.start, clock=run.start)
        self.state, self.shop, self.run = state, shop, run

        def key(use: str) -> int:
            return counter_rng.derive_key(run.config.seed, shop.opened, use)

        self.event_keys = (key("ids"), key("fates"))
        self.sessions_key = key("sessions")
        self.draws = Draws(key("draws"), shop.draws)
        self.phases = scenarios.phases(scenarios.scenario(run.config.scenario), run.start, run.end)
        self.arrivals = Arrivals(self.phases)
        self.choose = product_chooser(self.draws.draw, self.phases[0].conditions)
        # Heap of pending items by time: (time, order id, index of its step) or (time, product id, _RESTOCK).
        self.agenda: list[tuple[int, str, int]] = []
        for order in state.orders.values():
            step = next(index for index, (at, _) in enumerate(order.steps) if at > self.shop.clock)
            self.agenda.append((order.steps[step][0], order.order_id, step))
        self.agenda += [
            (level.delivery_at, product_id, _RESTOCK)
            for product_id, level in self.shop.stock.items()
            if level.delivery_at
        ]
        heapq.heapify(self.agenda)
        self.held = [(record.due, record.number, record) for record in state.held]
        heapq.heapify(self.held)

    def advance(self, sessions: int, until: int | None = None) -> Chunk:
        """Simulate the next sessions of the run, and all items that become due in the meantime.

        Args:
            sessions: maximum number of sessions.
            until: only sessions that end by this time, in ms; no limit by default.
        """
        run, segment = self.run, self.begin()
        buffer, inventory = segment.buffer, segment.inventory
        visits = VisitSimulator(buffer, inventory, self.draws.draw)
        placed: list[OpenOrder] = []
        for at, session, number in self._next_sessions(min(sessions, run.sessions - run.done)):
            if until is not None and at > until:
                break
            self._move_clock(at, inventory, buffer)
            order = self._session(session, number, inventory, visits)
            if order:
                placed.append(order)
            run.done += 1
        if run.done == run.sessions and (until is None or until >= run.end):
            self.finish(segment)
        elif until is not None:
            self._move_clock(until, inventory, buffer)
        return self.chunk(segment, placed)

    def begin(self) -> Segment:
        """Begin a segment at the shop's clock."""
        buffer = EventBuffer()
        inventory = Inventory(self.shop, self.draws.draw, buffer)
        segment = Segment(buffer, inventory, self.shop.events, self.shop.clock)
        if not self.run.done:
            inventory.stock_new_products()
        return segment

    def finish(self, segment: Segment) -> None:
        """Advance the clock to the end of the run, without further sessions."""
        self._move_clock(self.run.end, segment.inventory, segment.buffer)
        self.run.finished = True

    def chunk(self, segment: Segment, placed: Iterable[OpenOrder] = ()) -> Chunk:
        """End a segment and return its output.

        Args:
            placed: the orders placed in the segment.
        """
        shop, run, inventory, buffer = self.shop, self.run, segment.inventory, segment.buffer
        batch, held = record_batch.build_batch(
            buffer,
            run.config.faults,
            self.event_keys,
            segment.first_event,
            segment.clock,
            shop.clock,
            self.held,
        )
        shop.events += len(buffer.times)
        shop.draws = self.draws.position
        run.totals.add(ledger_totals.from_rows([batch.rows]))
        run.totals.add(ledger_totals.from_demand(inventory.demand))
        _merge_stock_outs(run.stock_outs, inventory.stock_outs)
        self.state.held = [record for _, _, record in self.held]
        open_orders = [order for order in placed if order.order_id in self.state.orders]
        state_records = to_records(self.state, run, segment.first_event, open_orders, held)
        return Chunk(batch, inventory.demand, state_records)

    def _next_sessions(self, count: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the end times of the next sessions, with hexadecimal numbers for session and order."""
        run = self.run
        words = counter_rng.random_words(self.sessions_key, self.shop.sessions, count, 3)
        shares = (np.arange(run.done, run.done + count) + counter_rng.uniform(words[:, 0])) / run.sessions
        digits = hexlify(words[:, 1:3].astype(">u8").tobytes())
        starts = range(0, 32 * count, 32)
        session_numbers = [digits[start : start + 16] for start in starts]
        order_numbers = [digits[start + 16 : start + 32] for start in starts]
        return zip(self.arrivals.at(shares).tolist(), session_numbers, order_numbers, strict=True)

    def _session(
        self, session: bytes, number: bytes, inventory: Inventory, visits: VisitSimulator
    ) -> OpenOrder | None:
        shop, draw = self.shop, self.draws.draw
        conditions, choose = self._conditions()
        shop.sessions += 1
        order = None
        if draw() < conditions.bots:
            visits.crawl(b"s-" + session, choose)
        else:
            customer = (
                int(draw() * shop.customers)
                if shop.customers and draw() < conditions.returning
                else shop.customers
            )
            shop.customers = max(shop.customers, customer + 1)
            order = visits.shop(b"s-" + session, customer, number, conditions, choose)
        visits.end(min(self.run.start, shop.clock), shop.clock)
        if not order:
            return None
        if order.payment_id:
            inventory.sell(order.order_id, order.items, shop.clock)
            for product_id, _ in order.items:
                if delivery_at := inventory.reorder_if_low(product_id, conditions):
                    heapq.heappush(self.agenda, (delivery_at, product_id, _RESTOCK))
        orders.plan(order, shop.clock, draw, conditions)
        self.state.orders[order.order_id] = order
        heapq.heappush(self.agenda, (order.steps[0][0], order.order_id, 0))
        return order

    def _conditions(self) -> tuple[Conditions, Callable[[], ProductTemplates]]:
        """Return the conditions at the shop's clock, and the product chooser for them."""
        while self.phases[0].end <= self.shop.clock and len(self.phases) > 1:
            del self.phases[0]
            self.choose = product_chooser(self.draws.draw, self.phases[0].conditions)
        return self.phases[0].conditions, self.choose

    def _move_clock(self, to: int, inventory: Inventory, buffer: EventBuffer) -> None:
        """Advance the clock and perform all items that become due."""
        shop, agenda = self.shop, self.agenda
        while agenda and agenda[0][0] <= to:
            at, id_, step = heapq.heappop(agenda)
            shop.clock = max(shop.clock, at)
            if step == _RESTOCK:
                inventory.restock(id_, at)
                continue
            order = self.state.orders[id_]
            orders.perform(order.steps[step][1], order, at, inventory, buffer)
            if step + 1 < len(order.steps):
                heapq.heappush(agenda, (order.steps[step + 1][0], id_, step + 1))
            else:
                del self.state.orders[id_]
        # When this run is resumed after another one, the clock may be past this run's times already.
        shop.clock = max(shop.clock, to)


def _merge_stock_outs(stock_outs: list[StockOut], new: list[StockOut]) -> None:
    """Add new stock-outs to those of a run; one that ended replaces its open entry."""
    for stock_out in new:
        begun = StockOut(stock_out.product_id, stock_out.start)
        if stock_out.end is not None and begun in stock_outs:
            stock_outs[stock_outs.index(begun)] = stock_out
        else:
            stock_outs.append(stock_out)
