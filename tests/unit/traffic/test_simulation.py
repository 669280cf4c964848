import hashlib
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from factories import shop_events
from factories.shop_events import NEW_YEAR, make_run
from shopnow.events import (
    TOPIC_OF,
    Event,
    OrderPlaced,
    PaymentSucceeded,
    ProductViewed,
    StockRestocked,
    encode,
    key,
)
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.catalogue import CATALOGUE
from shopnow.traffic.event_buffer import to_datetime
from shopnow.traffic.run_config import Faults
from shopnow.traffic.simulation import Chunk, Simulation, simulate
from shopnow.traffic.state import Record, State, from_records

LOW_STOCK = 5
FAULTS = Faults(
    late=0.05, duplicate=0.1, out_of_order=0.05, malformed=0.02, schema_v1=0.3, clock_skew_seconds=2
)


def sent(chunks: list[Chunk]) -> list[tuple[str, bytes, bytes]]:
    return [
        record
        for chunk in chunks
        for record in zip(chunk.batch.topics, chunk.batch.keys, chunk.batch.values, strict=True)
    ]


def digest(records: list[tuple[str, bytes, bytes]]) -> str:
    return hashlib.sha256(repr(records).encode()).hexdigest()


@pytest.fixture(scope="module")
def day() -> list[Event]:
    """The events of a day of 3000 sessions."""
    return shop_events.events(make_run(sessions=3000))


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_another_seed_gives_other_events() -> None:
    first, second = (
        {value for _, _, value in sent(shop_events.chunks(make_run(seed=seed)))} for seed in (1, 2)
    )
    assert not first & second


@pytest.mark.parametrize("faults", [Faults(), FAULTS], ids=["clean", "faulty"])
@pytest.mark.parametrize("per_chunk", [1, 7, 50])
def test_a_run_resumed_after_every_chunk_gives_the_same_records(per_chunk: int, faults: Faults) -> None:
    records: list[Record] = []
    parts: list[Chunk] = []
    run = make_run(sessions=120, faults=faults, days=3)
    while not run.finished:
        state = from_records(records)  # only what was written to Kafka survives a crash
        run = state.runs.get(run.run_id, run)
        parts.append(next(simulate(state, run, per_chunk)))
        records += parts[-1].state
    whole, final_state = make_run(sessions=120, faults=faults, days=3), State()
    assert sent(parts) == sent(shop_events.chunks(whole, final_state))
    assert whole == run
    state = from_records(records)
    assert (state.shop, state.orders) == (final_state.shop, final_state.orders)
    assert sorted(state.held, key=repr) == sorted(final_state.held, key=repr)


def test_every_event_is_valid_and_keyed_as_defined(day: list[Event]) -> None:
    decoders = {topic.name: topic.decoder() for topic in set(TOPIC_OF.values())}
    for event in day:
        assert decoders[TOPIC_OF[type(event)].name].decode(encode(event)) == event
        assert key(event)


def test_all_event_types_occur(day: list[Event]) -> None:
    assert {type(event) for event in day} == set(TOPIC_OF)


def test_event_ids_are_unique_within_and_between_runs() -> None:
    state = State()
    both = shop_events.events(make_run("first"), state) + shop_events.events(
        make_run("second", start=NEW_YEAR + DAY), state
    )
    assert len({event.event_id for event in both}) == len(both)
    assert {event.event_id[14] for event in both} == {"7"}


def test_all_events_are_within_the_period(day: list[Event]) -> None:
    times = [event.event_time for event in day]
    assert to_datetime(NEW_YEAR) <= min(times)
    assert max(times) <= to_datetime(NEW_YEAR + DAY)


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


def test_only_paid_orders_reduce_the_stock(day: list[Event]) -> None:
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


def test_events_of_an_order_come_after_it_was_placed(day: list[Event]) -> None:
    placed = {order.order_id: order.event_time for order in of(OrderPlaced, day)}
    for event in day:
        if TOPIC_OF[type(event)].name in {"payments", "deliveries"}:
            assert event.event_time > placed[event.order_id]


@pytest.mark.parametrize("seed", range(20))
def test_a_few_hundred_sessions_end_with_a_stock_out_and_low_stock(seed: int) -> None:
    state = State()
    shop_events.events(make_run(seed=seed), state)
    assert state.shop
    quantities = [level.quantity for level in state.shop.stock.values()]
    assert 0 in quantities
    assert any(0 < quantity <= LOW_STOCK for quantity in quantities)


def test_suppliers_restock_during_the_day(day: list[Event]) -> None:
    assert of(StockRestocked, day)


def test_open_orders_are_completed_by_the_next_run() -> None:
    state = State()
    shop_events.events(make_run("first"), state)
    open_orders = set(state.orders)
    assert open_orders
    later = shop_events.events(make_run("second", start=NEW_YEAR + DAY, days=4), state)
    affected = {
        event.order_id
        for event in later
        if TOPIC_OF[type(event)].name in {"deliveries", "orders", "payments"}
    }
    assert open_orders <= affected
    assert not open_orders & set(state.orders)


def test_a_run_resumed_after_another_one_does_not_turn_back_the_clock() -> None:
    state = State()
    first, second = make_run("first", sessions=100), make_run("second", sessions=100, start=NEW_YEAR + 1)
    next(simulate(state, first, 50))
    shop_events.events(second, state)
    assert state.shop
    clock = state.shop.clock
    rest = shop_events.decoded(simulate(state, first, 50))
    stock = [event for event in rest if TOPIC_OF[type(event)].name == "stock"]
    assert stock
    assert min(event.event_time for event in stock) >= to_datetime(clock)


def test_a_sold_out_product_is_not_sold_until_it_is_restocked(day: list[Event]) -> None:
    stock: dict[str, int] = {}
    for event in day:
        if TOPIC_OF[type(event)].name == "stock":
            stock[event.product_id] = event.quantity_after
        elif type(event).__name__ == "CartItemAdded":
            assert stock[event.product_id] >= event.quantity


def test_bots_view_products_and_never_buy() -> None:
    events = shop_events.events(make_run(sessions=400, scenario="bot_traffic", days=1))
    bots = {event.session_id for event in of(ProductViewed, events) if event.customer_id.startswith("bot-")}
    assert len(bots) > 100
    assert not any(
        getattr(event, "session_id", None) in bots for event in events if not isinstance(event, ProductViewed)
    )


@pytest.mark.parametrize(("until", "hours"), [(0.25, 6), (0.5, 12)])
def test_a_chunk_until_a_time_has_the_events_up_to_that_time(until: float, hours: int) -> None:
    run = make_run(sessions=300)
    chunk = Simulation(State(), run).advance(1000, until=NEW_YEAR + int(until * DAY))
    assert not run.finished
    times = [event.event_time for event in shop_events.decoded([chunk])]
    assert (
        to_datetime(NEW_YEAR + (hours - 1) * DAY // 24)
        < max(times)
        <= to_datetime(NEW_YEAR + hours * DAY // 24)
    )
