import pytest

from shopnow.errors import UserError
from shopnow.traffic.ledger_totals import Demand, LedgerTotals, SalesFigures
from shopnow.traffic.run_config import Faults, RunConfig
from shopnow.traffic.state import (
    ITEMS_PER_RECORD,
    HeldRecord,
    OpenOrder,
    Run,
    Shop,
    State,
    StockLevel,
    StockOut,
    from_records,
    to_records,
)


def an_order(number: int, *times: int) -> OpenOrder:
    return OpenOrder(
        f"o-{number}", "1 rue", [("p", 2)], 300, [(at, "create") for at in times], "pay-1", "card", 1
    )


def held(number: int, due: int) -> HeldRecord:
    return HeldRecord(due, number, "late", 3, 5, -7, "k", '{"é": 1}', "id", ("o", None, None, None, 5))


def test_no_records_no_shop() -> None:
    assert from_records([]) == State()


def test_state_survives_the_topic() -> None:
    shop = Shop(
        opened=1,
        clock=5,
        sessions=2,
        customers=1,
        events=9,
        draws=7,
        shelves={"p": StockLevel(3, 1, 4, 99, 2)},
    )
    asked = RunConfig(seed=3, sessions=10, hours=1.5, faults=Faults(late=0.1))
    run = Run("manual/with/slashes é", asked, 10, 1, 9, done=2, stock_outs=[StockOut("p", 4)])
    run.totals = LedgerTotals(orders=1, records={"views": 3}, days={}, demand={"p": Demand(3, 2, 1)})
    orders, late = [an_order(1, 7, 9)], [held(4, 8)]
    state = State(shop, {run.run_id: run}, {"o-1": orders[0]}, late)
    assert from_records(to_records(state, run, 4, orders, late)) == state
    assert state.batches == {"pending/4/0": 9}


def test_days_survive_the_topic() -> None:
    from datetime import date

    run = Run(
        "r", RunConfig(), 10, 1, 9, totals=LedgerTotals(days={date(2026, 1, 1): SalesFigures(orders=1)})
    )
    assert from_records(to_records(State(Shop(1, 5)), run, 0, [], [])).runs == {"r": run}


def test_what_is_over_is_forgotten_and_its_records_are_deleted() -> None:
    run, state = Run("r", RunConfig(), 10, 1, 9), State(Shop(opened=1, clock=5))
    records = to_records(state, run, 1, [an_order(1, 7), an_order(2, 8)], [held(1, 7)])
    state.shop = Shop(opened=1, clock=7)
    records += to_records(state, run, 2, [], [])
    after = from_records(records)
    assert (list(after.orders), after.held, after.batches) == (["o-2"], [], {"pending/1/0": 8})
    state.shop = Shop(opened=1, clock=8)
    records += to_records(state, run, 3, [], [])
    assert (b"pending/1/0", None) in records
    assert from_records(records).batches == {}


def test_many_orders_are_several_records_each_below_kafkas_limit() -> None:
    orders = [an_order(number, 10**13, 2 * 10**13) for number in range(2 * ITEMS_PER_RECORD + 1)]
    state, run = State(Shop(opened=1, clock=5)), Run("r", RunConfig(), 10, 1, 9)
    records = to_records(state, run, 1, orders, [])
    assert len(state.batches) == 3
    assert max(len(value or b"") for _, value in records) < 900_000
    assert len(from_records(records).orders) == len(orders)


@pytest.mark.parametrize(
    "record",
    [
        (b"shop", b'{"opened":1,"clock":2}'),
        (b"order/o-1", b'{"order_id":"o-1"}'),
        (b"run/r", b'{"run_id":"r","sessions":20,"seed":1,"payment_failure_rate":0.1,"start":1,"end":2}'),
        (b"shop/2", b"{}"),
    ],
)
def test_what_another_version_wrote_is_told_with_what_to_do(record: tuple[bytes, bytes]) -> None:
    with pytest.raises(UserError, match=r"another version.*SHOPNOW_DATA_DIR") as error:
        from_records([record])
    assert "\n" not in str(error.value)
