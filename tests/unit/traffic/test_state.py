from datetime import date

import msgspec
import pytest

from shopnow.errors import UserError
from shopnow.traffic import state as state_module
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


def make_order(number: int, *times: int) -> OpenOrder:
    return OpenOrder(
        f"o-{number}", "1 rue", [("p", 2)], 300, [(at, "create") for at in times], "pay-1", "card", 1
    )


def make_held_record(number: int, due: int) -> HeldRecord:
    return HeldRecord(due, number, "late", 3, 5, -7, "k", '{"é": 1}', "id", ("o", None, None, None, 5))


def test_no_records_give_an_empty_state() -> None:
    assert from_records([]) == State()


def test_state_survives_the_round_trip() -> None:
    shop = Shop(
        opened=1,
        clock=5,
        sessions=2,
        customers=1,
        events=9,
        draws=7,
        stock={"p": StockLevel(3, 1, 4, 99, 2)},
    )
    config = RunConfig(seed=3, sessions=10, hours=1.5, faults=Faults(late=0.1))
    run = Run("manual/with/slashes é", config, 10, 1, 9, done=2, stock_outs=[StockOut("p", 4)])
    run.totals = LedgerTotals(orders=1, records={"views": 3}, days={}, demand={"p": Demand(3, 2, 1)})
    orders, late = [make_order(1, 7, 9)], [make_held_record(4, 8)]
    state = State(shop, {run.run_id: run}, {"o-1": orders[0]}, late)
    assert from_records(to_records(state, run, 4, orders, late)) == state
    assert state.batches == {"pending/4/0": 9}


def test_the_stored_field_names_are_stable() -> None:
    shop = Shop(opened=1, clock=5, stock={"p": StockLevel(3)})
    records = dict(to_records(State(shop), Run("r", RunConfig(), 10, 1, 9), 0, [], []))
    stored_shop, stored_run = (msgspec.json.decode(records[key] or b"") for key in (b"shop/2", b"run/r"))
    assert stored_shop["shelves"]["p"].keys() >= {"quantity", "since", "wanted", "changed_at"}
    assert stored_run["asked"]["scenario"] == "normal_day"


def test_daily_figures_survive_the_round_trip() -> None:
    run = Run(
        "r", RunConfig(), 10, 1, 9, totals=LedgerTotals(days={date(2026, 1, 1): SalesFigures(orders=1)})
    )
    assert from_records(to_records(State(Shop(1, 5)), run, 0, [], [])).runs == {"r": run}


def test_completed_items_are_dropped_and_their_records_deleted() -> None:
    run, state = Run("r", RunConfig(), 10, 1, 9), State(Shop(opened=1, clock=5))
    records = to_records(state, run, 1, [make_order(1, 7), make_order(2, 8)], [make_held_record(1, 7)])
    state.shop = Shop(opened=1, clock=7)
    records += to_records(state, run, 2, [], [])
    after = from_records(records)
    assert (list(after.orders), after.held, after.batches) == (["o-2"], [], {"pending/1/0": 8})
    state.shop = Shop(opened=1, clock=8)
    records += to_records(state, run, 3, [], [])
    assert (b"pending/1/0", None) in records
    assert from_records(records).batches == {}


def test_many_orders_are_split_into_records_below_kafkas_limit() -> None:
    orders = [make_order(number, 10**13, 2 * 10**13) for number in range(2 * ITEMS_PER_RECORD + 1)]
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
def test_records_of_another_version_are_reported_with_a_remedy(record: tuple[bytes, bytes]) -> None:
    with pytest.raises(UserError, match=r"another version.*SHOPNOW_DATA_DIR") as error:
        from_records([record])
    assert "\n" not in str(error.value)


def test_the_oldest_finished_runs_beyond_the_limit_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_RUNS", 2)
    runs = [
        Run(f"r{number}", RunConfig(), 10, number, number + 1, finished=number != 1) for number in range(5)
    ]
    state = State(Shop(1, 5))
    records = []
    for run in runs:
        records += to_records(state, run, run.start, [], [])
        state.runs[run.run_id] = run
    # r1 is not finished: it is resumed, however old it is. The newest was written before it was counted.
    assert list(from_records(records).runs) == list(state.runs) == ["r1", "r3", "r4"]
