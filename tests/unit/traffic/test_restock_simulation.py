"""Deliveries by delivery note: received exactly once, consistent with the other runs of the shop."""

from factories.shop_events import decoded, make_run
from shopnow.events import StockAdjusted, StockRestocked
from shopnow.traffic.catalogue import PRODUCTS
from shopnow.traffic.restock_simulation import MAX_QUANTITY, Delivery, apply_deliveries
from shopnow.traffic.scenarios import DAY, HOUR
from shopnow.traffic.simulation import Chunk, simulate
from shopnow.traffic.state import Run, State, from_records

OPENED = 20_000 * DAY
GOODS = Delivery(("content/1", "file/a.csv"), [("p-009", 60), ("p-001", 5), ("p-009", 1)])


def run(start: int, days: float = 1) -> Run:
    return make_run(f"run-{start}", sessions=60, start=start, days=days, seed=5)


def after(chunks: list[Chunk]) -> State:
    return from_records(record for chunk in chunks for record in chunk.state)


def test_the_first_delivery_opens_the_shop():
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
    assert outcome.receipt.stock_after == {
        "p-009": opening + 61,
        "p-001": PRODUCTS["p-001"].opening_stock + 5,
    }


def test_quantities_are_consistent_across_all_runs():
    state = State()
    chunks = list(simulate(state, run(OPENED), 20))
    chunk, _ = apply_deliveries(state, {}, "r", [GOODS], OPENED + DAY + HOUR)
    chunks += [chunk, *simulate(state, run(OPENED + 2 * DAY), 20)]
    quantities: dict[str, int] = {}
    for event in (event for event in decoded(chunks) if hasattr(event, "quantity_after")):
        quantities[event.product_id] = quantities.get(event.product_id, 0) + event.quantity_change
        assert event.quantity_after == quantities[event.product_id] >= 0
    assert quantities == {
        product_id: level.quantity for product_id, level in after(chunks).shop.stock.items()
    }
    ids = [event.event_id for event in decoded(chunks)]
    assert len(ids) == len(set(ids))
    restocked = [event for event in decoded([chunk]) if isinstance(event, StockRestocked)]
    # A product changes at most once per millisecond.
    assert {event.event_time.timestamp() * 1000 - OPENED - DAY - HOUR for event in restocked[-3:]} <= {0, 1}


def test_pending_order_steps_are_performed():
    chunks = list(simulate(state := State(), run(OPENED), 20))
    open_orders = set(state.orders)
    chunk, _ = apply_deliveries(after(chunks), {}, "r", [GOODS], OPENED + 3 * DAY)
    delivered = {
        event.order_id for event in decoded([chunk]) if hasattr(event, "progress") and event.progress == 1
    }
    assert delivered
    assert delivered <= open_orders
    assert after([*chunks, chunk]).shop.clock - OPENED - 3 * DAY in {0, 1, 2}


def test_an_unfinished_run_resumes_in_its_own_period():
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


def test_a_delivery_with_a_known_key_is_a_duplicate():
    state = State()
    again = Delivery(("content/1", "file/b.csv"), GOODS.items)
    other = Delivery(("content/2", "file/a.csv"), [("p-002", 1)])
    _, [first, second, third] = apply_deliveries(state, {}, "r", [GOODS, again, other], OPENED)
    assert [first.duplicate_key, second.duplicate_key, third.duplicate_key] == [
        None,
        "content/1",
        "file/a.csv",
    ]
    assert first.receipt == second.receipt == third.receipt
    chunk, [outcome] = apply_deliveries(
        state, dict.fromkeys(GOODS.dedup_keys, first.receipt), "s", [again], OPENED + HOUR
    )
    assert chunk is None
    assert outcome.duplicate_key == "content/1"


def test_a_rejected_delivery_does_not_stop_the_others():
    unknown = Delivery(("content/2",), [("p-001", 1), ("p-999", 1)])
    too_much = Delivery(("content/3",), [("p-001", MAX_QUANTITY)])
    chunk, outcomes = apply_deliveries(State(), {}, "r", [unknown, too_much, GOODS], OPENED)
    assert outcomes[0].rejections == ("the shop has no product 'p-999'",)
    assert outcomes[1].rejections == (f"the stock of product 'p-001' would exceed {MAX_QUANTITY} pieces",)
    assert outcomes[2].receipt
    assert sum(isinstance(event, StockRestocked) for event in decoded([chunk])) == len(GOODS.items)
    assert apply_deliveries(State(), {}, "r", [unknown], OPENED)[0] is None
