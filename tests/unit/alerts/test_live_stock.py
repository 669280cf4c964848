"""Which records are put on top of the table, and which of them count."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shopnow.alerts import live_stock
from shopnow.alerts.live_stock import Known, Shelf
from shopnow.broker.topics import TopicState
from shopnow.events import SCHEMA_VERSION, StockSold

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def sold(quantity: int, at: datetime = NOON, event_id: str = "") -> StockSold:
    return StockSold(
        event_id=(event_id or f"event-{quantity}").ljust(36, "-"),
        event_time=at,
        schema_version=SCHEMA_VERSION,
        product_id="mug",
        product_name="Mug",
        quantity_change=-1,
        quantity_after=quantity,
        order_id="order",
    )


def after(*events: tuple[StockSold, int]) -> int:
    known: dict[str, Known] = {}
    for event, offset in events:
        live_stock.put(known, event, offset)
    return known["mug"].shelf.quantity


def test_the_newest_event_counts_in_whatever_order_they_come():
    for events in permutations(
        [(sold(3, NOON), 10), (sold(2, NOON + timedelta(seconds=1)), 5), (sold(1, NOON), 20)]
    ):
        assert after(*events) == 2


def test_of_the_same_time_the_later_offset_counts():
    for events in permutations([(sold(3), 10), (sold(2), 11), (sold(1), 12)]):
        assert after(*events) == 1


def test_a_repeated_record_does_not_bring_the_past_back():
    assert after((sold(3), 10), (sold(2), 11), (sold(3), 12)) == 2


def test_what_the_table_has_counts_as_well():
    known = {"mug": Known(Shelf("mug", "Mug", 7, NOON), 10, set())}
    live_stock.put(known, sold(8, NOON), 9)
    live_stock.put(known, sold(9, NOON - timedelta(seconds=1)), 50)
    assert known["mug"].shelf.quantity == 7
    live_stock.put(known, sold(6, NOON), 11)
    assert known["mug"].shelf.quantity == 6


class Raw:
    """A version of the raw table that has read a topic up to some offsets."""

    def __init__(self, **positions: int) -> None:
        self.positions = positions

    def transaction_version(self, app_id: str) -> int | None:
        return self.positions.get(app_id)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, {0: (5, 30), 1: (0, 7)}),
        (Raw(), {0: (5, 30), 1: (0, 7)}),
        (Raw(**{"id/0": 20, "id/1": 7}), {0: (20, 30), 1: (7, 7)}),
        (Raw(**{"id/0": 2}), {0: (5, 30), 1: (0, 7)}),  # some were lost before anyone read them
        (Raw(**{"another/0": 20, "another/1": 7}), {0: (5, 30), 1: (0, 7)}),  # the topic was made anew
        (Raw(**{"id/0": 40, "id/1": 3}), {0: (5, 30), 1: (3, 7)}),  # the end was cut off
        (Raw(**{"id/0": 40, "id/cuts": 1, "id~1/0": 25}), {0: (25, 30), 1: (0, 7)}),  # and that is known
    ],
)
def test_only_what_the_table_does_not_rest_on_is_read(raw, expected):
    assert live_stock.beyond(TopicState("stock", "id", {0: (5, 30), 1: (0, 7)}), raw) == expected
