"""The alert engine: which alerts change, and which changes are announced."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopnow.alerts import alert_log, rules
from shopnow.alerts.engine import compute_changes
from shopnow.alerts.model import Alert, AlertStatus, Change, Observation, Silence, State

RULES = rules.load()
START = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stock(quantity: float, at: datetime = START, product: str = "P1") -> Observation:
    return Observation(
        "stock_quantity", product, {"P1": "Mug"}.get(product, product), quantity, at, f"{quantity} left"
    )


def observation(metric: str, value: float, subject: str = "x", sample_size: int | None = None) -> Observation:
    return Observation(metric, subject, subject, value, START, f"{value}", sample_size)


class Engine:
    """Evaluates the rules repeatedly and keeps the alert statuses as the table does."""

    def __init__(self, rule_set: Mapping[str, rules.Rule] = RULES) -> None:
        self.rules = rule_set
        self.statuses: dict[str, AlertStatus] = {}
        self.silences: list[Silence] = []
        self.evaluations = 0

    def evaluate(self, *observations: Observation, at: datetime | None = None) -> list[Change]:
        self.evaluations += 1
        now = at or START + self.evaluations * HOUR
        changes = compute_changes(self.rules, self.statuses, observations, now, self.silences)
        for alert, announced, _ in changes:
            thread = alert.thread or (f"message {self.evaluations}" if announced else None)
            alert_log.update_status(self.statuses, alert._replace(thread=thread), now if announced else None)
        return changes

    def acknowledge(self, fingerprint: str) -> None:
        status = self.statuses[fingerprint]
        alert_log.update_status(self.statuses, status.alert._replace(state=State.ACKNOWLEDGED), None)


def history(*quantities: int) -> list[list[Change]]:
    """Return the changes of each step as one product's stock goes through the quantities, an hour apart."""
    engine = Engine()
    return [engine.evaluate(stock(quantity, START + hour * HOUR)) for hour, quantity in enumerate(quantities)]


def announced(step: Iterable[Change]) -> list[str]:
    """Return rule and state of the announced changes."""
    return [f"{change.alert.rule} {change.alert.state}" for change in step if change.announced]


def announcements(steps: list[list[Change]]) -> list[list[str]]:
    return list(map(announced, steps))


def test_plenty_of_stock_changes_nothing():
    assert history(50, 8, 6) == [[], [], []]


def test_low_stock_fires_once_and_is_resolved_once():
    assert announcements(history(50, 5, 3, 40, 40)) == [
        [],
        ["low_stock firing"],
        [],
        ["low_stock resolved"],
        [],
    ]


def test_stock_hovering_at_the_threshold_gives_one_alert():
    assert announcements(history(6, 5, 6, 5, 7, 4, 7, 8)) == [
        [],
        ["low_stock firing"],
        [],
        [],
        [],
        [],
        [],
        ["low_stock resolved"],
    ]


def test_a_product_that_sells_out_repeatedly_gives_one_alert():
    assert announcements(history(1, 0, 1, 0, 2, 0, 1, 40)) == [
        ["low_stock firing"],
        ["stock_out firing"],
        [],
        [],
        [],
        [],
        [],
        ["stock_out resolved"],
    ]


def test_selling_out_at_once_does_not_announce_low_stock_too():
    assert announcements(history(50, 0, 50)) == [[], ["stock_out firing"], ["stock_out resolved"]]


def test_stock_out_takes_over_from_low_stock():
    steps = history(3, 0, 50)
    assert announcements(steps) == [["low_stock firing"], ["stock_out firing"], ["stock_out resolved"]]
    assert {(change.alert.rule, change.alert.state) for change in steps[1]} == {
        ("stock_out", State.FIRING),
        ("low_stock", State.INHIBITED),
    }


def test_partial_restock_is_announced_as_low_stock():
    assert announcements(history(0, 3, 50)) == [
        ["stock_out firing"],
        ["low_stock firing"],
        ["low_stock resolved"],
    ]
    assert announcements(history(3, 0, 3, 50)) == [
        ["low_stock firing"],
        ["stock_out firing"],
        ["low_stock firing"],
        ["low_stock resolved"],
    ]


def test_an_alert_has_value_start_owner_and_todo():
    [[], [change]] = history(50, 4)
    alert = change.alert
    assert (alert.subject_name, alert.value, alert.facts, alert.since) == ("Mug", 4, "4 left", START + HOUR)
    assert (alert.severity, alert.owner, alert.channels) == ("warning", "purchasing", ("email", "slack"))
    assert (alert.title, alert.todo, alert.fingerprint) == (
        "Low stock",
        RULES["low_stock"].todo,
        "low_stock:P1",
    )


def test_products_are_independent():
    changes = Engine().evaluate(stock(0), stock(5, product="P2"), stock(9, product="P3"))
    assert [(change.alert.subject, change.alert.rule) for change in changes] == [
        ("P1", "stock_out"),
        ("P2", "low_stock"),
    ]


def test_an_unacknowledged_alert_is_repeated_after_its_interval():
    engine = Engine()
    engine.evaluate(stock(0), at=START)
    assert engine.evaluate(stock(0), at=START + 23 * HOUR) == []
    [change] = engine.evaluate(stock(0), at=START + 24 * HOUR)
    assert (change.announced, change.repeated, change.alert.title) == (True, True, "Reminder: Sold out")
    assert (change.alert.since, change.alert.thread) == (START, "message 1")
    assert engine.evaluate(stock(0), at=START + 47 * HOUR) == []
    assert announced(engine.evaluate(stock(0), at=START + 48 * HOUR)) == ["stock_out firing"]


def test_one_reminder_includes_all_alerts_at_least_half_due():
    engine = Engine()
    engine.evaluate(stock(0), at=START)
    engine.evaluate(stock(0), stock(0, product="P2"), at=START + 10 * HOUR)
    engine.evaluate(stock(0), stock(0, product="P2"), stock(0, product="P3"), at=START + 20 * HOUR)
    all_three = [stock(0), stock(0, product="P2"), stock(0, product="P3")]
    assert [change.alert.subject for change in engine.evaluate(*all_three, at=START + 24 * HOUR)] == [
        "P1",
        "P2",
    ]
    assert engine.evaluate(*all_three, at=START + 43 * HOUR) == []
    assert [change.alert.subject for change in engine.evaluate(*all_three, at=START + 44 * HOUR)] == [
        "P1",
        "P2",
        "P3",
    ]


def test_an_acknowledged_alert_is_not_repeated_but_its_end_is_announced():
    engine = Engine()
    engine.evaluate(stock(0), at=START)
    engine.acknowledge("stock_out:P1")
    assert engine.evaluate(stock(0), at=START + timedelta(days=30)) == []
    assert announced(engine.evaluate(stock(50), at=START + timedelta(days=31))) == ["stock_out resolved"]


def test_an_alert_that_fires_again_starts_a_new_thread():
    engine = Engine()
    engine.evaluate(stock(0))
    engine.evaluate(stock(50))
    engine.evaluate(stock(0))
    alert = engine.statuses["stock_out:P1"].alert
    assert (alert.firing, alert.thread) == (2, "message 3")
    engine.evaluate(stock(50))
    assert engine.statuses["stock_out:P1"].alert.thread == "message 3"


def test_a_silenced_alert_is_announced_when_the_silence_ends_if_it_still_fires():
    for target in ("stock_out", "stock_out:P1"):
        engine = Engine()
        engine.silences = [Silence(target, START + 5 * HOUR, "stocktaking", "anna")]
        assert announced(engine.evaluate(stock(0), at=START)) == []
        assert engine.statuses["stock_out:P1"].alert.state == State.FIRING
        assert engine.evaluate(stock(0), at=START + 4 * HOUR) == []
        assert announced(engine.evaluate(stock(0), at=START + 5 * HOUR)) == ["stock_out firing"]
        assert engine.statuses["stock_out:P1"].alert.firing == 1


def test_a_silence_covers_only_its_target():
    engine = Engine()
    engine.silences = [Silence("stock_out:P2", START + 5 * HOUR, "stocktaking", "anna")]
    assert announced(engine.evaluate(stock(0), stock(0, product="P2"), at=START)) == ["stock_out firing"]


def test_the_end_of_an_alert_that_was_never_announced_is_not_announced():
    engine = Engine()
    engine.silences = [Silence("stock_out", START + 5 * HOUR, "stocktaking", "anna")]
    engine.evaluate(stock(0), at=START)
    assert announced(engine.evaluate(stock(50), at=START + 6 * HOUR)) == []


def test_back_in_stock_is_announced_for_a_low_product_if_low_stock_is_silenced():
    engine = Engine()
    engine.evaluate(stock(0), at=START)
    engine.silences = [Silence("low_stock", START + 5 * HOUR, "stocktaking", "anna")]
    assert announced(engine.evaluate(stock(3), at=START + HOUR)) == ["stock_out resolved"]


def test_alerts_without_observation_stay_unchanged():
    engine = Engine()
    engine.evaluate(stock(0))
    assert engine.evaluate(at=START + timedelta(days=9)) == []
    assert engine.statuses["stock_out:P1"].alert.state == State.FIRING


def test_incomplete_data_inhibits_sales_alerts_until_it_is_complete():
    engine = Engine()
    incomplete, low = (
        observation("missing_rows", 3, "kpi/sales_hourly"),
        observation("share_of_expected", 0.1, "orders/EUR"),
    )
    assert announced(engine.evaluate(incomplete, low)) == ["data_incomplete firing"]
    assert announced(engine.evaluate(low)) == []  # completeness has not been observed yet
    assert announced(engine.evaluate(observation("missing_rows", 0, "kpi/sales_hourly"), low)) == [
        "data_incomplete resolved",
        "sales_drop firing",
    ]


def test_the_end_of_an_inhibited_sales_alert_is_announced():
    engine = Engine()
    engine.evaluate(observation("share_of_expected", 0.1, "orders/EUR"))
    assert announced(
        engine.evaluate(
            observation("missing_rows", 3, "t"), observation("share_of_expected", 0.1, "orders/EUR")
        )
    ) == ["data_incomplete firing"]
    assert engine.statuses["sales_drop:orders/EUR"].alert.state == State.INHIBITED
    assert announced(engine.evaluate(observation("share_of_expected", 1, "orders/EUR"))) == [
        "sales_drop resolved"
    ]


def test_only_the_most_urgent_rule_fires_for_a_product():
    cover = [observation("share_of_lead_time", 0.5, "P1"), observation("share_of_reorder_point", 0.6, "P1")]
    assert announced(Engine().evaluate(stock(4), *cover)) == ["short_cover firing"]
    assert announced(Engine().evaluate(stock(0), *cover)) == ["stock_out firing"]


def test_a_ratio_of_a_small_sample_does_not_fire():
    assert (
        announced(Engine().evaluate(observation("share_of_deliveries_overdue", 0.5, "all", sample_size=4)))
        == []
    )
    assert announced(
        Engine().evaluate(observation("share_of_deliveries_overdue", 0.5, "all", sample_size=40))
    ) == ["deliveries_overdue firing"]


def test_hysteresis_of_at_least_is_below_the_threshold():
    engine = Engine()
    shares = (0.24, 0.26, 0.2, 0.26, 0.14)
    assert [
        announced(engine.evaluate(observation("share_of_payments_failed", share, "EUR", sample_size=100)))
        for share in shares
    ] == [
        [],
        ["payment_failures firing"],
        [],
        [],
        ["payment_failures resolved"],
    ]


def test_removing_a_rule_resolves_its_alerts_without_announcement():
    engine = Engine()
    engine.evaluate(stock(0))
    engine.rules = {name: rule for name, rule in RULES.items() if name != "stock_out"}
    changes = engine.evaluate(stock(0))
    assert announced(changes) == ["low_stock firing"]
    assert engine.statuses["stock_out:P1"].alert.state == State.RESOLVED


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_a_reader_of_the_announcements_always_knows_the_current_alert(quantities: list[int]):
    firing: Alert | None = None  # the alert that a reader of the announcements believes is firing
    for quantity, step in zip(quantities, history(*quantities), strict=True):
        alerts = [change.alert for change in step if change.announced and not change.repeated]
        assert len(alerts) <= 1
        for alert in alerts:
            assert firing is None or alert.rule != firing.rule or alert.state == State.RESOLVED
            firing = None if alert.state == State.RESOLVED else alert
        rule = firing and firing.rule
        assert rule == "stock_out" or quantity > 0
        assert rule != "stock_out" or quantity <= 2
        assert quantity > 5 or rule is not None
        assert quantity <= 7 or rule is None


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_evaluating_twice_changes_nothing(quantities: list[int]):
    engine = Engine()
    for hour, quantity in enumerate(quantities):
        at = START + hour * HOUR
        engine.evaluate(stock(quantity), at=at)
        assert engine.evaluate(stock(quantity), at=at) == []
