"""Goods that suppliers deliver: on the shelves once, in the order of what else happens in the shop."""

from factories.shop_events import a_run, decoded
from shopnow.events import StockAdjusted, StockRestocked
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.restock_simulation import MAX_QUANTITY, Delivery, apply_deliveries
from shopnow.traffic.scenarios import DAY, HOUR
from shopnow.traffic.simulation import Chunk, simulate
from shopnow.traffic.state import Run, State, from_records

OPENED = 20_000 * DAY
GOODS = Delivery(("content/1", "file/a.csv"), [("p-009", 60), ("p-001", 5), ("p-009", 1)])


def run(start: int, days: float = 1) -> Run:
    return a_run(f"run-{start}", sessions=60, start=start, days=days, seed=5)


def after(chunks: list[Chunk]) -> State:
    return from_records(record for chunk in chunks for record in chunk.state)


def test_a_shop_that_has_not_opened_opens():
    chunk, [outcome] = apply_deliveries(State(), {}, "r", [GOODS], OPENED)
    assert chunk
    events = decoded([chunk])
    assert {type(event) for event in events[: len(PRODUCTS)]} == {StockAdjusted}
    restocked = events[len(PRODUCTS) :]
    opening = PRODUCTS["p-009"].opening_stock
    assert [(event.product_id, event.quantity_change, event.quantity_after) for event in restocked][::2] == [
        ("p-009", 60, opening + 60),
        ("p-009", 1, opening + 61),
    ]
    assert outcome.receipt.shelves == {"p-009": opening + 61, "p-001": PRODUCTS["p-001"].opening_stock + 5}


def test_every_quantity_is_the_one_before_and_the_change_through_all_runs():
    state = State()
    chunks = list(simulate(state, run(OPENED), 20))
    chunk, _ = apply_deliveries(state, {}, "r", [GOODS], OPENED + DAY + HOUR)
    chunks += [chunk, *simulate(state, run(OPENED + 2 * DAY), 20)]
    on_shelf: dict[str, int] = {}
    for event in (event for event in decoded(chunks) if hasattr(event, "quantity_after")):
        on_shelf[event.product_id] = on_shelf.get(event.product_id, 0) + event.quantity_change
        assert event.quantity_after == on_shelf[event.product_id] >= 0
    assert on_shelf == {
        product_id: shelf.quantity for product_id, shelf in after(chunks).shop.shelves.items()
    }
    ids = [event.event_id for event in decoded(chunks)]
    assert len(ids) == len(set(ids))
    restocked = [event for event in decoded([chunk]) if isinstance(event, StockRestocked)]
    # A thing changes once in a millisecond at most.
    assert {event.event_time.timestamp() * 1000 - OPENED - DAY - HOUR for event in restocked[-3:]} <= {0, 1}


def test_what_is_pending_still_happens():
    chunks = list(simulate(state := State(), run(OPENED), 20))
    waiting = set(state.orders)
    chunk, _ = apply_deliveries(after(chunks), {}, "r", [GOODS], OPENED + 3 * DAY)
    done = {
        event.order_id for event in decoded([chunk]) if hasattr(event, "progress") and event.progress == 1
    }
    assert done
    assert done <= waiting
    assert after([*chunks, chunk]).shop.clock - OPENED - 3 * DAY in {0, 1, 2}


def test_a_run_that_is_not_done_goes_on_in_its_own_time():
    chunks = list(simulate(State(), run(OPENED), 20))
    halfway = after(chunks[:1])
    clock = halfway.shop.clock
    chunk, _ = apply_deliveries(halfway, {}, "r", [GOODS], OPENED + 30 * DAY)
    state = after([chunks[0], chunk])
    assert state.shop.clock - clock in {1, 2}
    rest = list(simulate(state, state.runs[f"run-{OPENED}"], 20))
    assert state.shop.clock >= OPENED + DAY
    times = [event.event_time for event in decoded(rest) if event.__struct_config__.tag == "order_placed"]
    assert len(set(times)) == len(times)


def test_goods_under_a_mark_that_came_before_are_not_taken():
    state = State()
    again = Delivery(("content/1", "file/b.csv"), GOODS.items)
    other = Delivery(("content/2", "file/a.csv"), [("p-002", 1)])
    _, [first, second, third] = apply_deliveries(state, {}, "r", [GOODS, again, other], OPENED)
    assert [first.known, second.known, third.known] == [None, "content/1", "file/a.csv"]
    assert first.receipt == second.receipt == third.receipt
    chunk, [known] = apply_deliveries(
        state, dict.fromkeys(GOODS.marks, first.receipt), "s", [again], OPENED + HOUR
    )
    assert chunk is None
    assert known.known == "content/1"


def test_what_the_shop_cannot_take_is_refused_and_does_not_stop_the_rest():
    unknown = Delivery(("content/2",), [("p-001", 1), ("p-999", 1)])
    too_much = Delivery(("content/3",), [("p-001", MAX_QUANTITY)])
    chunk, outcomes = apply_deliveries(State(), {}, "r", [unknown, too_much, GOODS], OPENED)
    assert outcomes[0].refused == ("the shop has no product 'p-999'",)
    assert "no room" in outcomes[1].refused[0]
    assert outcomes[2].receipt
    assert sum(isinstance(event, StockRestocked) for event in decoded([chunk])) == len(GOODS.items)
    assert apply_deliveries(State(), {}, "r", [unknown], OPENED)[0] is None
