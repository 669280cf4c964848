"""The shop, simulated: state in, records out, nothing else touched.

The same seed, parameters and state give the same records byte for byte, however the run is cut into chunks: chance is a
function of where it is used in the life of the shop, and what is pending is kept in order of time, not in order of arrival.
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
"""Stands for the step of the agenda that is no order's."""


class Chunk(NamedTuple):
    """Some sessions' worth of records, what shoppers wanted by hour and product, and the state records that go with them."""

    batch: Batch
    demand: Mapping[tuple[int, str], Demand]
    state: list[Record]


def simulate(state: State, run: Run, sessions_per_chunk: int) -> Iterator[Chunk]:
    """The rest of the run, chunk by chunk; `state` and `run` are changed as it goes, and up to date after each chunk."""
    simulation = Simulation(state, run)
    while not run.finished:
        yield simulation.advance(sessions_per_chunk)


class Segment(NamedTuple):
    """A part of the shop's life in the making: what happens goes into the journal; `event` and `clock` are where it began."""

    journal: EventBuffer
    shelves: Inventory
    event: int
    clock: int


class Simulation:
    def __init__(self, state: State, run: Run) -> None:
        shop = state.shop = state.shop or Shop(opened=run.start, clock=run.start)
        self.state, self.shop, self.run = state, shop, run

        def key(use: str) -> int:
            return counter_rng.derive_key(run.asked.seed, shop.opened, use)

        self.sessions_key, self.event_keys = key("sessions"), (key("ids"), key("fates"))
        self.draws = Draws(key("draws"), shop.draws)
        self.stretches = scenarios.phases(scenarios.scenario(run.asked.scenario), run.start, run.end)
        self.arrivals = Arrivals(self.stretches)
        self.look = product_chooser(self.draws.draw, self.stretches[0].conditions)
        # What is pending, soonest first: (time, order id, number of its step), or (time, product id, _RESTOCK).
        self.agenda: list[tuple[int, str, int]] = []
        for order in state.orders.values():
            nth = next(nth for nth, (at, _) in enumerate(order.steps) if at > self.shop.clock)
            self.agenda.append((order.steps[nth][0], order.order_id, nth))
        self.agenda += [
            (shelf.delivery_at, name, _RESTOCK)
            for name, shelf in self.shop.shelves.items()
            if shelf.delivery_at
        ]
        heapq.heapify(self.agenda)
        self.waiting = [(each.due, each.number, each) for each in state.held]
        heapq.heapify(self.waiting)

    def advance(self, sessions: int, until: int | None = None) -> Chunk:
        """The next sessions of the run that have ended by `until`, at most so many, with all that falls due meanwhile."""
        run, stage = self.run, self.begin()
        journal, shelves = stage.journal, stage.shelves
        visits = VisitSimulator(journal, shelves, self.draws.draw)
        placed: list[OpenOrder] = []
        for at, session, number in self._next(min(sessions, run.sessions - run.done)):
            if until is not None and at > until:
                break
            self._move_clock(at, shelves, journal)
            order = self._session(session, number, shelves, visits)
            if order:
                placed.append(order)
            run.done += 1
        if run.done == run.sessions and (until is None or until >= run.end):
            self.finish(stage)
        elif until is not None:
            self._move_clock(until, shelves, journal)
        return self.chunk(stage, placed)

    def begin(self) -> Segment:
        """A part of the shop's life, from now on."""
        journal = EventBuffer()
        stage = Segment(
            journal, Inventory(self.shop, self.draws.draw, journal), self.shop.events, self.shop.clock
        )
        if not self.run.done:
            stage.shelves.stock_new_products()
        return stage

    def finish(self, stage: Segment) -> None:
        """The rest of the run, in which nobody comes any more."""
        self._move_clock(self.run.end, stage.shelves, stage.journal)
        self.run.finished = True

    def chunk(self, stage: Segment, placed: Iterable[OpenOrder] = ()) -> Chunk:
        """What that part of the shop's life makes, with the orders that were placed in it."""
        shop, run, shelves, journal, first = self.shop, self.run, stage.shelves, stage.journal, stage.event
        made, held = record_batch.build_batch(
            journal, run.asked.faults, self.event_keys, first, stage.clock, shop.clock, self.waiting
        )
        shop.events += len(journal.times)
        shop.draws = self.draws.position
        run.totals.add(ledger_totals.from_rows([made.told]))
        run.totals.add(ledger_totals.from_demand(shelves.demand))
        _note(run.stock_outs, shelves.stock_outs)
        self.state.held = [each for _, _, each in self.waiting]
        open_orders = [order for order in placed if order.order_id in self.state.orders]
        return Chunk(made, shelves.demand, to_records(self.state, run, first, open_orders, held))

    def _next(self, count: int) -> Iterator[tuple[int, bytes, bytes]]:
        """When the next sessions end, and of each a number for itself and one for its order, in hexadecimal."""
        run = self.run
        words = counter_rng.random_words(self.sessions_key, self.shop.sessions, count, each=3)
        shares = (np.arange(run.done, run.done + count) + counter_rng.uniform(words[:, 0])) / run.sessions
        numbers = hexlify(words[:, 1:3].astype(">u8").tobytes())
        starts = range(0, 32 * count, 32)
        sessions, orders_ = (
            [numbers[at : at + 16] for at in starts],
            [numbers[at + 16 : at + 32] for at in starts],
        )
        return zip(self.arrivals.at(shares).tolist(), sessions, orders_, strict=True)

    def _session(
        self, session: bytes, number: bytes, shelves: Inventory, visits: VisitSimulator
    ) -> OpenOrder | None:
        shop, draw = self.shop, self.draws.draw
        conditions, look = self._conditions()
        shop.sessions += 1
        order = None
        if draw() < conditions.bots:
            visits.crawl(b"s-" + session, look)
        else:
            customer = (
                int(draw() * shop.customers)
                if shop.customers and draw() < conditions.returning
                else shop.customers
            )
            shop.customers = max(shop.customers, customer + 1)
            order = visits.shop(b"s-" + session, customer, number, conditions, look)
        visits.end(min(self.run.start, shop.clock), shop.clock)
        if not order:
            return None
        if order.payment_id:
            shelves.sell(order.order_id, order.items, shop.clock)
            for product_id, _ in order.items:
                if delivery_at := shelves.reorder_if_low(product_id, conditions):
                    heapq.heappush(self.agenda, (delivery_at, product_id, _RESTOCK))
        orders.plan(order, shop.clock, draw, conditions)
        self.state.orders[order.order_id] = order
        heapq.heappush(self.agenda, (order.steps[0][0], order.order_id, 0))
        return order

    def _conditions(self) -> tuple[Conditions, Callable[[], ProductTemplates]]:
        """Those of now, and how people look around in them."""
        while self.stretches[0].end <= self.shop.clock and len(self.stretches) > 1:
            del self.stretches[0]
            self.look = product_chooser(self.draws.draw, self.stretches[0].conditions)
        return self.stretches[0].conditions, self.look

    def _move_clock(self, to: int, shelves: Inventory, journal: EventBuffer) -> None:
        """Let happen what is due by then."""
        shop, agenda = self.shop, self.agenda
        while agenda and agenda[0][0] <= to:
            at, name, nth = heapq.heappop(agenda)
            shop.clock = max(shop.clock, at)
            if nth == _RESTOCK:
                shelves.restock(name, at)
                continue
            order = self.state.orders[name]
            orders.perform(order.steps[nth][1], order, at, shelves, journal)
            if nth + 1 < len(order.steps):
                heapq.heappush(agenda, (order.steps[nth + 1][0], name, nth + 1))
            else:
                del self.state.orders[name]
        # Another run may have moved the clock past this one's times, when this one is taken up again after it.
        shop.clock = max(shop.clock, to)


def _note(known: list[StockOut], more: list[StockOut]) -> None:
    """Add stock-outs to those of a run: one that ends is the one that began."""
    for each in more:
        begun = StockOut(each.product_id, each.start)
        if each.end is not None and begun in known:
            known[known.index(begun)] = each
        else:
            known.append(each)
