from shopnow.traffic.state import OpenOrder, Run, Shelf, Shop, State, from_records, to_records


def test_no_records_no_shop() -> None:
    assert from_records([]) == State()


def test_state_survives_the_topic() -> None:
    shop = Shop(opened=1, clock=5, sessions=2, customers=1, events=9, shelves={"p": Shelf(3, 1, 4, 99)})
    run = Run("manual/with/slashes é", 10, 1, 0.1, 1, 9, done=2, events={"views": 3})
    order = OpenOrder("o-1", "1 rue", [("p", 2)], 300, [(7, "create"), (9, "deliver")], "pay-1", "card", 1)
    state = from_records(to_records(shop, run, {"o-1": order}))
    assert state == State(shop, {"o-1": order}, {run.run_id: run})


def test_the_latest_value_counts_and_none_deletes() -> None:
    shop, run = Shop(opened=1, clock=5), Run("r", 10, 1, 0.1, 1, 9)
    order = OpenOrder("o-1", "1 rue", [], 300)
    earlier = to_records(shop, run, {"o-1": order})
    later = to_records(Shop(opened=1, clock=8), run, {"o-1": None})
    state = from_records(earlier + later)
    assert state.orders == {}
    assert state.shop == Shop(opened=1, clock=8)
