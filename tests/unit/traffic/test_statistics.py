"""Statistics of simulated traffic match the scenarios: arrivals, funnel, payments, popularity, stock.

Tolerances are five standard deviations, enough for any seed. `SHOPNOW_TEST_SEED` replays the seed that was
printed.
"""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
import pytest

from factories import shop_events
from shopnow.events import (
    CartItemAdded,
    CartItemRemoved,
    DeliveryDelivered,
    Event,
    OrderPlaced,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
    ProductViewed,
    StockAdjusted,
    StockRestocked,
    StockSold,
)
from shopnow.traffic import scenarios
from shopnow.traffic.catalogue import CATALOGUE, POPULARITY, ZIPF
from shopnow.traffic.scenarios import Scenario, phases
from shopnow.traffic.state import State

SESSIONS = 20_000


class Simulated:
    """The events of some days of a scenario, by type."""

    def __init__(self, name: str, sessions: int, days: int) -> None:
        seed = int(os.environ["SHOPNOW_TEST_SEED"])
        print(f"SHOPNOW_TEST_SEED={seed} for {name}")
        self.scenario: Scenario = scenarios.scenario(name)
        self.conditions = self.scenario.conditions
        self.state = State()
        run = shop_events.make_run(sessions=sessions, seed=seed, days=days, scenario=name)
        self.start, self.end = run.start, run.end
        self.events: dict[type, list] = defaultdict(list)
        for event in shop_events.events(run, self.state, 5000):
            self.events[type(event)].append(event)


@pytest.fixture(scope="module", params=["normal_day", "slow_week"])
def weeks(request: pytest.FixtureRequest) -> Simulated:
    """Two weeks of a scenario."""
    return Simulated(request.param, SESSIONS, days=14)


@pytest.fixture(scope="module")
def shoppers(weeks: Simulated) -> dict[str, list[ProductViewed]]:
    """Product views of shoppers other than bots, by session."""
    sessions = defaultdict(list)
    for view in weeks.events[ProductViewed]:
        if not view.customer_id.startswith("bot-"):
            sessions[view.session_id].append(view)
    return sessions


def assert_share(count: int, total: int, share: float) -> None:
    """Assert that the count is a binomial sample of the share of the total."""
    assert total > 100
    assert count == pytest.approx(total * share, abs=5 * math.sqrt(total * share * (1 - share)) + 1)


def assert_distribution(values: Iterable[int], weights: tuple[float, ...]) -> None:
    """Assert that the values are distributed by the weights."""
    counts = Counter(values)
    for value, weight in enumerate(weights):
        assert_share(counts[value], counts.total(), weight / sum(weights))


def test_hours_and_weekdays(weeks: Simulated, shoppers: dict[str, list[ProductViewed]]) -> None:
    # A visit is timed by its last event, which is a view for most visits.
    last = [views[-1].event_time for views in shoppers.values()]
    conditions = weeks.conditions
    # Weekly growth gives later days slightly more weight.
    assert_distribution((time.hour for time in last), conditions.hours)
    assert_distribution((time.weekday() for time in last), conditions.weekdays)


def test_bots(weeks: Simulated, shoppers: dict[str, list[ProductViewed]]) -> None:
    bots = {view.session_id for view in weeks.events[ProductViewed]} - shoppers.keys()
    assert_share(len(bots), SESSIONS, weeks.conditions.bots)


def test_the_funnel(weeks: Simulated, shoppers: dict[str, list[ProductViewed]]) -> None:
    conditions, events = weeks.conditions, weeks.events
    added, removed = Counter(), Counter()
    for event in events[CartItemAdded]:
        added[event.session_id] += 1
    for event in events[CartItemRemoved]:
        removed[event.session_id] += 1
    assert_share(removed.total(), added.total(), conditions.removes)
    filled = sum(added[session] > removed[session] for session in added)
    orders = {event.order_id for event in events[OrderPlaced]}
    assert_share(len(orders), filled, conditions.orders)
    tried = {event.order_id for event in events[PaymentSucceeded] + events[PaymentFailed]}
    assert_share(len(tried), len(orders), conditions.pays)
    discounted = [event for event in events[OrderPlaced] if event.discount_cents]
    assert_share(len(discounted), len(orders), conditions.discounted)
    # Shoppers view a second product unless they leave, also because the first one is sold out.
    views = Counter(min(len(session_views), 2) for session_views in shoppers.values())
    leaving = conditions.adds * conditions.leaves_if_sold_out
    assert views[2] / views.total() == pytest.approx(conditions.looks_on, abs=0.02 + leaving)


def test_payment_failures_by_method(weeks: Simulated) -> None:
    failed = Counter(event.method for event in weeks.events[PaymentFailed])
    succeeded = Counter(event.method for event in weeks.events[PaymentSucceeded])
    attempts = failed + succeeded
    for name, method in weeks.conditions.methods.items():
        assert_share(attempts[name], attempts.total(), method.share)
        assert_share(failed[name], attempts[name], method.fails)
    by_attempt = Counter(
        event.attempt for event in weeks.events[PaymentFailed] + weeks.events[PaymentSucceeded]
    )
    first, second = (
        sum(event.attempt == attempt for event in weeks.events[PaymentFailed]) for attempt in (1, 2)
    )
    assert_share(by_attempt[2], first, weeks.conditions.tries_again)
    assert by_attempt.keys() == {1, 2, 3}
    assert by_attempt[3] <= second


def test_popularity_follows_zipfs_law(shoppers: dict[str, list[ProductViewed]]) -> None:
    ranks = {product.product_id: rank for rank, product in enumerate(CATALOGUE, 1)}
    views = Counter(ranks[view.product_id] for views in shoppers.values() for view in views)
    log_ranks = np.log(np.arange(1, len(CATALOGUE) + 1))
    counts = np.array([views[rank] for rank in range(1, len(CATALOGUE) + 1)])
    # Maximum-likelihood estimate of the exponent, by Newton's method.
    exponent = 0.5
    for _ in range(50):
        weights = np.exp(-exponent * log_ranks)
        mean = (weights * log_ranks).sum() / weights.sum()
        variance = (weights * log_ranks**2).sum() / weights.sum() - mean**2
        exponent += (mean - (counts * log_ranks).sum() / counts.sum()) / variance
    assert exponent == pytest.approx(ZIPF, abs=5 / math.sqrt(counts.sum() * variance))


def test_deliveries_and_refunds(weeks: Simulated) -> None:
    conditions = weeks.conditions
    delivered = {event.order_id: event for event in weeks.events[DeliveryDelivered]}
    early_payments = [
        event
        for event in weeks.events[PaymentSucceeded]
        if event.event_time.timestamp() * 1000 < weeks.end - 4 * 86_400_000
    ]
    assert_share(
        sum(event.order_id not in delivered for event in early_payments),
        len(early_payments),
        conditions.cancels,
    )
    deliveries = [delivered[event.order_id] for event in early_payments if event.order_id in delivered]
    assert_share(
        sum(event.event_time > event.promised_at for event in deliveries),
        len(deliveries),
        conditions.late_deliveries,
    )
    returned = {
        event.order_id for event in weeks.events[PaymentRefunded] if event.reason != "order cancelled"
    }
    assert_share(sum(event.order_id in returned for event in deliveries), len(deliveries), conditions.refunds)


def test_the_stock_of_each_product_is_conserved(weeks: Simulated) -> None:
    changes: dict[type[Event], Counter[str]] = defaultdict(Counter)
    opening: dict[str, int] = {}
    for kind in (StockAdjusted, StockSold, StockRestocked):
        for event in weeks.events[kind]:
            if kind is StockAdjusted and event.reason == "opening stock":
                opening[event.product_id] = event.quantity_change
            else:
                changes[kind][event.product_id] += event.quantity_change
    assert weeks.state.shop
    assert opening.keys() == weeks.state.shop.stock.keys()
    for product_id, level in weeks.state.shop.stock.items():
        sold, restocked, adjusted = (
            changes[kind][product_id] for kind in (StockSold, StockRestocked, StockAdjusted)
        )
        assert opening[product_id] + restocked + sold + adjusted == level.quantity >= 0
    assert changes[StockRestocked].total() > 0 > changes[StockSold].total()


def test_incidents_have_their_effects() -> None:
    day = {
        name: Simulated(name, 6000, days=1)
        for name in ("payment_outage", "supplier_delay", "bot_traffic", "flash_sale")
    }

    def events_during_incident(name: str, kind: type[Event]) -> list:
        [incident] = [
            phase
            for phase in phases(day[name].scenario, day[name].start, day[name].end)
            if phase.conditions != day[name].conditions
        ]
        return [
            event
            for event in day[name].events[kind]
            if incident.start <= event.event_time.timestamp() * 1000 < incident.end
        ]

    failed, paid = (
        Counter(event.method for event in events_during_incident("payment_outage", kind))
        for kind in (PaymentFailed, PaymentSucceeded)
    )
    for method in ("card", "paypal"):
        assert failed[method] / (failed[method] + paid[method]) > 0.85
        assert failed[method] > 20

    views = events_during_incident("bot_traffic", ProductViewed)
    assert sum(view.customer_id.startswith("bot-") for view in views) / len(views) > 0.9

    [sale] = day["flash_sale"].scenario.incidents
    best = {product.product_id for product in CATALOGUE[: sale.conditions.on_sale]}
    views = [
        view
        for view in events_during_incident("flash_sale", ProductViewed)
        if not view.customer_id.startswith("bot-")
    ]
    anyway = sum(POPULARITY[: len(best)]) / sum(POPULARITY)
    expected = sale.conditions.on_sale_share + (1 - sale.conditions.on_sale_share) * anyway
    assert_share(sum(view.product_id in best for view in views), len(views), expected)
    orders = events_during_incident("flash_sale", OrderPlaced)
    # Except for visits that cross a boundary of the sale.
    assert sum(order.discount_cents > 0 for order in orders) / len(orders) > 0.9
    assert len(orders) > len(day["flash_sale"].events[OrderPlaced]) / 3

    assert (
        len(day["supplier_delay"].events[StockRestocked])
        < len(day["payment_outage"].events[StockRestocked]) / 2
    )
