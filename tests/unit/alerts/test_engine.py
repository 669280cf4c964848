"""The engine: which alerts change, and which changes are worth a word."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopnow.alerts import rules
from shopnow.alerts.engine import Change, Observation, State, changes

RULES = rules.load()
START = datetime(2026, 7, 1, 12, tzinfo=UTC)


def history(*quantities: int) -> list[list[Change]]:
    """What changes as one product's stock goes through the quantities, an hour apart."""
    states: dict[str, State] = {}
    steps = []
    for hour, quantity in enumerate(quantities):
        found = changes(RULES, states, [Observation("P1", "Mug", quantity, START + timedelta(hours=hour))])
        states |= {change.alert.fingerprint: change.alert.state for change in found}
        steps.append(found)
    return steps


def words(steps: list[list[Change]]) -> list[list[str]]:
    """The announced changes of each step."""
    return [[f"{change.alert.rule} {change.alert.state}" for change in step if change.announced] for step in steps]


def test_plenty_of_stock_is_no_news():
    assert history(50, 8, 6) == [[], [], []]


def test_low_stock_fires_once_and_is_resolved_once():
    assert words(history(50, 5, 3, 40, 40)) == [[], ["low_stock firing"], [], ["low_stock resolved"], []]


def test_a_product_hovering_at_its_limit_gives_one_alert():
    assert words(history(6, 5, 6, 5, 7, 4, 7, 8)) == [[], ["low_stock firing"], [], [], [], [], [], ["low_stock resolved"]]


def test_sold_out_at_once_does_not_say_low_as_well():
    assert words(history(50, 0, 50)) == [[], ["stock_out firing"], ["stock_out resolved"]]


def test_stock_out_takes_over_from_low_stock():
    steps = history(3, 0, 50)
    assert words(steps) == [["low_stock firing"], ["stock_out firing"], ["stock_out resolved"]]
    assert {(change.alert.rule, change.alert.state) for change in steps[1]} == {
        ("stock_out", State.FIRING),
        ("low_stock", State.INHIBITED),
    }


def test_back_but_few_is_told_as_low_stock():
    assert words(history(0, 3, 50)) == [["stock_out firing"], ["low_stock firing"], ["low_stock resolved"]]
    assert words(history(3, 0, 3, 50)) == [["low_stock firing"], ["stock_out firing"], ["low_stock firing"], ["low_stock resolved"]]


def test_an_alert_says_what_since_when_and_what_to_do():
    [[], [change]] = history(50, 4)
    alert = change.alert
    assert (alert.product_name, alert.quantity, alert.since, alert.severity) == ("Mug", 4, START + timedelta(hours=1), "warning")
    assert (alert.title, alert.todo, alert.fingerprint) == ("Low stock", RULES["low_stock"].todo, "low_stock:P1")


def test_products_do_not_touch_each_other():
    found = changes(
        RULES, {}, [Observation("P1", "Mug", 0, START), Observation("P2", "Bowl", 5, START), Observation("P3", "Cup", 9, START)]
    )
    assert [(change.alert.product_id, change.alert.rule) for change in found] == [("P1", "stock_out"), ("P2", "low_stock")]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_a_reader_of_the_announcements_always_knows_how_it_stands(quantities: list[int]):
    told = None  # what somebody who reads nothing else believes is firing
    for quantity, step in zip(quantities, history(*quantities), strict=True):
        announced = [change.alert for change in step if change.announced]
        assert len(announced) <= 1
        for alert in announced:
            assert alert.rule != told or alert.state == State.RESOLVED
            told = None if alert.state == State.RESOLVED else alert.rule
        assert told != "stock_out" or quantity == 0
        assert (quantity == 0) == (told == "stock_out")
        assert not 0 < quantity <= 5 or told == "low_stock"
        assert quantity <= 7 or told is None


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_looking_twice_changes_nothing(quantities: list[int]):
    doubled = [quantity for quantity in quantities for _ in range(2)]
    assert all(not step for step in history(*doubled)[1::2])
