import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from shopnow.events import TOPIC_OF, Event, OrderPlaced, PaymentFailed, PaymentSucceeded, StockRestocked, encode, key
from shopnow.traffic import simulation
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.catalogue import CATALOGUE
from shopnow.traffic.journal import moment
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state import Run, State, from_records

MIDNIGHT = 1_767_225_600_000  # 2026-01-01, UTC
LOW = 5


def a_run(run_id: str = "run", sessions: int = 300, seed: int = 1, rate: float = 0.1, start: int = MIDNIGHT, days: float = 1) -> Run:
    return Run(run_id, sessions, seed, rate, start, start + int(days * DAY))


def events_of(run: Run, state: State | None = None, per_chunk: int = 1000) -> list[Event]:
    return [event for chunk in simulate(state or State(), run, per_chunk) for event in chunk.events]


def digest(payloads: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(payloads)).hexdigest()


def payloads(events: list[Event]) -> list[bytes]:
    return [encode(event) for event in events]


@pytest.fixture(scope="module")
def day() -> list[Event]:
    """A day of 3000 sessions."""
    return events_of(a_run(sessions=3000))


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_same_seed_parameters_and_state_give_the_same_bytes() -> None:
    assert payloads(events_of(a_run())) == payloads(events_of(a_run()))


def test_another_process_gives_the_same_bytes() -> None:
    code = "import test_simulation as t; print(t.digest(t.payloads(t.events_of(t.a_run()))))"
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(simulation.__file__).parents[2])])
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
        other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert other.stdout.strip() == digest(payloads(events_of(a_run())))


def test_another_seed_gives_other_events() -> None:
    assert not set(payloads(events_of(a_run(seed=1)))) & set(payloads(events_of(a_run(seed=2))))


@pytest.mark.parametrize("per_chunk", [1, 7, 50])
def test_a_run_taken_up_again_after_every_chunk_is_the_same_run(per_chunk: int) -> None:
    records: list[tuple[bytes, bytes | None]] = []
    events: list[Event] = []
    run = a_run(sessions=120)
    while run.done < run.sessions:
        state = from_records(records)  # all that is left after a kill is what was written to Kafka
        run = state.runs.get(run.run_id, run)
        chunk = next(simulate(state, run, per_chunk))
        events += chunk.events
        records += chunk.state
    assert payloads(events) == payloads(events_of(a_run(sessions=120)))


def test_every_event_is_valid_and_keyed_as_defined(day: list[Event]) -> None:
    decoders = {topic.name: topic.decoder() for topic in set(TOPIC_OF.values())}
    for event in day:
        assert decoders[TOPIC_OF[type(event)].name].decode(encode(event)) == event
        assert key(event)


def test_all_event_types_occur(day: list[Event]) -> None:
    assert {type(event) for event in day} == set(TOPIC_OF)


def test_event_ids_are_unique_within_and_between_runs() -> None:
    state = State()
    both = events_of(a_run("first"), state) + events_of(a_run("second", start=MIDNIGHT + DAY), state)
    assert len({event.event_id for event in both}) == len(both)
    assert {event.event_id[14] for event in both} == {"7"}


def test_everything_happens_within_the_window(day: list[Event]) -> None:
    times = [event.event_time for event in day]
    assert moment(MIDNIGHT) <= min(times)
    assert max(times) <= moment(MIDNIGHT + DAY)


def test_the_stock_of_each_product_adds_up_and_is_never_negative(day: list[Event]) -> None:
    of_product = defaultdict(list)
    for event in day:
        if TOPIC_OF[type(event)].name == "stock":
            of_product[event.product_id].append(event)
    assert set(of_product) == {product.product_id for product in CATALOGUE}
    for product in CATALOGUE:
        first, *later = of_product[product.product_id]
        assert (first.quantity_change, first.quantity_after) == (product.opening_stock, product.opening_stock)
        for before, after in pairwise([first, *later]):
            assert after.quantity_after == before.quantity_after + after.quantity_change >= 0
            assert after.event_time >= before.event_time


def test_only_paid_orders_take_goods_off_the_shelf(day: list[Event]) -> None:
    paid = {event.order_id for event in of(PaymentSucceeded, day)}
    pieces = Counter()
    for order in of(OrderPlaced, day):
        if order.order_id in paid:
            pieces.update({item.product_id: item.quantity for item in order.items})
    sold = Counter()
    for event in day:
        if type(event).__name__ == "StockSold":
            sold[event.product_id] -= event.quantity_change
    assert pieces == sold


def test_amounts_agree(day: list[Event]) -> None:
    orders = {order.order_id: order for order in of(OrderPlaced, day)}
    for order in orders.values():
        gross = sum(item.quantity * item.unit_price_cents for item in order.items)
        assert order.total_cents == gross - order.discount_cents
    for payment in of(PaymentSucceeded, day):
        assert payment.amount_cents == orders[payment.order_id].total_cents


def test_what_happens_to_an_order_comes_after_it(day: list[Event]) -> None:
    placed = {order.order_id: order.event_time for order in of(OrderPlaced, day)}
    for event in day:
        if TOPIC_OF[type(event)].name in {"payments", "deliveries"}:
            assert event.event_time > placed[event.order_id]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_payments_fail_at_the_given_rate(rate: float) -> None:
    events = events_of(a_run(sessions=3000, rate=rate))
    failed, succeeded = len(of(PaymentFailed, events)), len(of(PaymentSucceeded, events))
    assert failed / (failed + succeeded) == pytest.approx(rate, abs=0.05 if 0 < rate < 1 else 0)


def test_a_failed_payment_is_often_tried_again_and_never_a_third_time(day: list[Event]) -> None:
    assert Counter(event.attempt for event in of(PaymentFailed, day) + of(PaymentSucceeded, day)).keys() == {1, 2}


@pytest.mark.parametrize("seed", range(20))
def test_a_few_hundred_sessions_end_with_a_product_sold_out_and_one_running_low(seed: int) -> None:
    state = State()
    events_of(a_run(seed=seed), state)
    assert state.shop
    quantities = [shelf.quantity for shelf in state.shop.shelves.values()]
    assert 0 in quantities
    assert any(0 < quantity <= LOW for quantity in quantities)


def test_suppliers_come_during_the_day(day: list[Event]) -> None:
    assert of(StockRestocked, day)


def test_orders_under_way_are_delivered_by_the_next_run() -> None:
    state = State()
    events_of(a_run("first"), state)
    open_orders = set(state.orders)
    assert open_orders
    later = events_of(a_run("second", start=MIDNIGHT + DAY), state)
    touched = {event.order_id for event in later if TOPIC_OF[type(event)].name in {"deliveries", "orders", "payments"}}
    assert open_orders <= touched
    assert not open_orders & set(state.orders)


def test_evenings_are_busier_than_nights(day: list[Event]) -> None:
    hours = Counter(order.event_time.hour for order in of(OrderPlaced, day))
    assert hours[20] > 3 * hours[3]


def test_a_run_taken_up_after_another_one_does_not_turn_back_the_clock() -> None:
    state = State()
    first, second = a_run("first", sessions=100), a_run("second", sessions=100, start=MIDNIGHT + 1)
    next(simulate(state, first, 50))
    events_of(second, state)
    assert state.shop
    clock = state.shop.clock
    rest = events_of(first, state)
    stock = [event for event in rest if TOPIC_OF[type(event)].name == "stock"]
    assert stock
    assert min(event.event_time for event in stock) >= moment(clock)
