"""Live stock: which records are applied on top of the table, and which win."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shopnow.alerts import live_stock
from shopnow.alerts.live_stock import StockLevel, TrackedLevel
from shopnow.broker.topic_state import TopicState
from shopnow.events import SCHEMA_VERSION, StockSold
from shopnow.lake.lineage import unread

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


def quantity_after(*events: tuple[StockSold, int]) -> int:
    levels: dict[str, TrackedLevel] = {}
    for event, offset in events:
        live_stock.apply_event(levels, event, offset)
    return levels["mug"].level.quantity


def test_the_newest_event_wins_in_any_order():
    for events in permutations(
        [(sold(3, NOON), 10), (sold(2, NOON + timedelta(seconds=1)), 5), (sold(1, NOON), 20)]
    ):
        assert quantity_after(*events) == 2


def test_of_equal_times_the_higher_offset_wins():
    for events in permutations([(sold(3), 10), (sold(2), 11), (sold(1), 12)]):
        assert quantity_after(*events) == 1


def test_a_duplicate_record_changes_nothing():
    assert quantity_after((sold(3), 10), (sold(2), 11), (sold(3), 12)) == 2


def test_levels_of_the_table_are_compared_too():
    levels = {"mug": TrackedLevel(StockLevel("mug", "Mug", 7, NOON), 10, set())}
    live_stock.apply_event(levels, sold(8, NOON), 9)
    live_stock.apply_event(levels, sold(9, NOON - timedelta(seconds=1)), 50)
    assert levels["mug"].level.quantity == 7
    live_stock.apply_event(levels, sold(6, NOON), 11)
    assert levels["mug"].level.quantity == 6


class Raw:
    """A snapshot of the raw table that has landed a topic up to some offsets."""

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
        (Raw(**{"id/0": 2}), {0: (5, 30), 1: (0, 7)}),  # retention removed some before they were read
        (Raw(**{"another/0": 20, "another/1": 7}), {0: (5, 30), 1: (0, 7)}),  # the topic was recreated
        (Raw(**{"id/0": 40, "id/1": 3}), {0: (5, 30), 1: (3, 7)}),  # the topic was truncated
        (
            Raw(**{"id/0": 40, "id/cuts": 1, "id~1/0": 25}),
            {0: (25, 30), 1: (0, 7)},
        ),  # and the truncation is recorded
    ],
)
def test_only_records_that_the_table_lacks_are_read(raw, expected):
    assert unread.unread_ranges(TopicState("stock", "id", {0: (5, 30), 1: (0, 7)}), raw) == expected
