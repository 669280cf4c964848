"""The engine: which alerts change, and which changes are worth a word."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shopnow.alerts import alert_log, rules
from shopnow.alerts.engine import Alert, AlertStatus, Change, Observation, Silence, State, changes

RULES = rules.load()
START = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def pieces(quantity: float, at: datetime = START, product: str = "P1") -> Observation:
    return Observation(
        "stock_quantity", product, {"P1": "Mug"}.get(product, product), quantity, at, f"{quantity} left"
    )


def seen(figure: str, value: float, subject: str = "x", of: int | None = None) -> Observation:
    return Observation(figure, subject, subject, value, START, f"{value}", of)


class Watch:
    """Somebody who looks again and again, and remembers how alerts stand as the table does."""

    def __init__(self, rule_set: Mapping[str, rules.Rule] = RULES) -> None:
        self.rules = rule_set
        self.standings: dict[str, AlertStatus] = {}
        self.silences: list[Silence] = []
        self.looks = 0

    def look(self, *observations: Observation, at: datetime | None = None) -> list[Change]:
        self.looks += 1
        now = at or START + self.looks * HOUR
        found = changes(self.rules, self.standings, observations, now, self.silences)
        for alert, announced, _ in found:
            thread = alert.thread or (f"message {self.looks}" if announced else None)
            alert_log.follow(self.standings, alert._replace(thread=thread), now if announced else None)
        return found

    def acknowledge(self, fingerprint: str) -> None:
        standing = self.standings[fingerprint]
        alert_log.follow(self.standings, standing.alert._replace(state=State.ACKNOWLEDGED), None)


def history(*quantities: int) -> list[list[Change]]:
    """What changes as one product's stock goes through the quantities, an hour apart."""
    watch = Watch()
    return [watch.look(pieces(quantity, START + hour * HOUR)) for hour, quantity in enumerate(quantities)]


def told(step: Iterable[Change]) -> list[str]:
    """The announced changes."""
    return [f"{change.alert.rule} {change.alert.state}" for change in step if change.announced]


def words(steps: list[list[Change]]) -> list[list[str]]:
    return list(map(told, steps))


def test_plenty_of_stock_is_no_news():
    assert history(50, 8, 6) == [[], [], []]


def test_low_stock_fires_once_and_is_resolved_once():
    assert words(history(50, 5, 3, 40, 40)) == [[], ["low_stock firing"], [], ["low_stock resolved"], []]


def test_a_product_hovering_at_its_limit_gives_one_alert():
    assert words(history(6, 5, 6, 5, 7, 4, 7, 8)) == [
        [],
        ["low_stock firing"],
        [],
        [],
        [],
        [],
        [],
        ["low_stock resolved"],
    ]


def test_a_product_that_sells_out_again_and_again_gives_one_alert():
    assert words(history(1, 0, 1, 0, 2, 0, 1, 40)) == [
        ["low_stock firing"],
        ["stock_out firing"],
        [],
        [],
        [],
        [],
        [],
        ["stock_out resolved"],
    ]


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
    assert words(history(3, 0, 3, 50)) == [
        ["low_stock firing"],
        ["stock_out firing"],
        ["low_stock firing"],
        ["low_stock resolved"],
    ]


def test_an_alert_says_what_since_when_whose_it_is_and_what_to_do():
    [[], [change]] = history(50, 4)
    alert = change.alert
    assert (alert.subject_name, alert.value, alert.facts, alert.since) == ("Mug", 4, "4 left", START + HOUR)
    assert (alert.severity, alert.owner, alert.channels) == ("warning", "purchasing", ("email", "slack"))
    assert (alert.title, alert.todo, alert.fingerprint) == (
        "Low stock",
        RULES["low_stock"].todo,
        "low_stock:P1",
    )


def test_products_do_not_touch_each_other():
    found = Watch().look(pieces(0), pieces(5, product="P2"), pieces(9, product="P3"))
    assert [(change.alert.subject, change.alert.rule) for change in found] == [
        ("P1", "stock_out"),
        ("P2", "low_stock"),
    ]


def test_an_alert_that_nobody_acknowledges_is_told_again_in_its_time():
    watch = Watch()
    watch.look(pieces(0), at=START)
    assert watch.look(pieces(0), at=START + 23 * HOUR) == []
    [change] = watch.look(pieces(0), at=START + 24 * HOUR)
    assert (change.announced, change.repeated, change.alert.title) == (True, True, "Reminder: Sold out")
    assert (change.alert.since, change.alert.thread) == (START, "message 1")
    assert watch.look(pieces(0), at=START + 47 * HOUR) == []
    assert told(watch.look(pieces(0), at=START + 48 * HOUR)) == ["stock_out firing"]


def test_one_reminder_tells_of_all_that_is_not_new_any_more():
    watch = Watch()
    watch.look(pieces(0), at=START)
    watch.look(pieces(0), pieces(0, product="P2"), at=START + 10 * HOUR)
    watch.look(pieces(0), pieces(0, product="P2"), pieces(0, product="P3"), at=START + 20 * HOUR)
    all_three = [pieces(0), pieces(0, product="P2"), pieces(0, product="P3")]
    assert [change.alert.subject for change in watch.look(*all_three, at=START + 24 * HOUR)] == ["P1", "P2"]
    assert watch.look(*all_three, at=START + 43 * HOUR) == []
    assert [change.alert.subject for change in watch.look(*all_three, at=START + 44 * HOUR)] == [
        "P1",
        "P2",
        "P3",
    ]


def test_an_acknowledged_alert_is_not_told_again_but_its_end_is():
    watch = Watch()
    watch.look(pieces(0), at=START)
    watch.acknowledge("stock_out:P1")
    assert watch.look(pieces(0), at=START + timedelta(days=30)) == []
    assert told(watch.look(pieces(50), at=START + timedelta(days=31))) == ["stock_out resolved"]


def test_an_alert_that_fires_anew_is_another_firing_with_a_thread_of_its_own():
    watch = Watch()
    watch.look(pieces(0))
    watch.look(pieces(50))
    watch.look(pieces(0))
    alert = watch.standings["stock_out:P1"].alert
    assert (alert.firing, alert.thread) == (2, "message 3")
    watch.look(pieces(50))
    assert watch.standings["stock_out:P1"].alert.thread == "message 3"


def test_nothing_is_told_of_what_is_silenced_and_what_still_fires_when_the_silence_is_over_is():
    for target in ("stock_out", "stock_out:P1"):
        watch = Watch()
        watch.silences = [Silence(target, START + 5 * HOUR, "stocktaking", "anna")]
        assert told(watch.look(pieces(0), at=START)) == []
        assert watch.standings["stock_out:P1"].alert.state == State.FIRING
        assert watch.look(pieces(0), at=START + 4 * HOUR) == []
        assert told(watch.look(pieces(0), at=START + 5 * HOUR)) == ["stock_out firing"]
        assert watch.standings["stock_out:P1"].alert.firing == 1


def test_a_silence_covers_only_its_target():
    watch = Watch()
    watch.silences = [Silence("stock_out:P2", START + 5 * HOUR, "stocktaking", "anna")]
    assert told(watch.look(pieces(0), pieces(0, product="P2"), at=START)) == ["stock_out firing"]


def test_the_end_of_what_nobody_heard_of_is_not_told():
    watch = Watch()
    watch.silences = [Silence("stock_out", START + 5 * HOUR, "stocktaking", "anna")]
    watch.look(pieces(0), at=START)
    assert told(watch.look(pieces(50), at=START + 6 * HOUR)) == []


def test_back_in_stock_is_said_of_a_product_that_is_still_low_if_nothing_is_said_of_that():
    watch = Watch()
    watch.look(pieces(0), at=START)
    watch.silences = [Silence("low_stock", START + 5 * HOUR, "stocktaking", "anna")]
    assert told(watch.look(pieces(3), at=START + HOUR)) == ["stock_out resolved"]


def test_what_is_not_seen_stays_as_it_is():
    watch = Watch()
    watch.look(pieces(0))
    assert watch.look(at=START + timedelta(days=9)) == []
    assert watch.standings["stock_out:P1"].alert.state == State.FIRING


def test_incomplete_data_holds_back_sales_alarms_and_they_come_if_still_true():
    watch = Watch()
    incomplete, low = (
        seen("missing_rows", 3, "kpi/sales_hourly"),
        seen("share_of_expected", 0.1, "orders/EUR"),
    )
    assert told(watch.look(incomplete, low)) == ["data_incomplete firing"]
    assert told(watch.look(low)) == []  # the data is not seen to be complete yet
    assert told(watch.look(seen("missing_rows", 0, "kpi/sales_hourly"), low)) == [
        "data_incomplete resolved",
        "sales_drop firing",
    ]


def test_a_sales_alarm_that_gave_way_to_incomplete_data_is_told_to_be_over():
    watch = Watch()
    watch.look(seen("share_of_expected", 0.1, "orders/EUR"))
    assert told(watch.look(seen("missing_rows", 3, "t"), seen("share_of_expected", 0.1, "orders/EUR"))) == [
        "data_incomplete firing"
    ]
    assert watch.standings["sales_drop:orders/EUR"].alert.state == State.INHIBITED
    assert told(watch.look(seen("share_of_expected", 1, "orders/EUR"))) == ["sales_drop resolved"]


def test_of_one_product_the_most_urgent_rule_speaks():
    cover = [seen("share_of_lead_time", 0.5, "P1"), seen("share_of_reorder_point", 0.6, "P1")]
    assert told(Watch().look(pieces(4), *cover)) == ["short_cover firing"]
    assert told(Watch().look(pieces(0), *cover)) == ["stock_out firing"]


def test_a_share_of_few_is_no_alarm():
    assert told(Watch().look(seen("share_of_deliveries_overdue", 0.5, "all", of=4))) == []
    assert told(Watch().look(seen("share_of_deliveries_overdue", 0.5, "all", of=40))) == [
        "deliveries_overdue firing"
    ]


def test_at_least_has_its_hysteresis_below_the_threshold():
    watch = Watch()
    shares = (0.24, 0.26, 0.2, 0.26, 0.14)
    assert [told(watch.look(seen("share_of_payments_failed", share, "EUR", of=100))) for share in shares] == [
        [],
        ["payment_failures firing"],
        [],
        [],
        ["payment_failures resolved"],
    ]


def test_a_rule_that_is_taken_out_of_the_file_ends_its_alerts_without_a_word():
    watch = Watch()
    watch.look(pieces(0))
    watch.rules = {name: rule for name, rule in RULES.items() if name != "stock_out"}
    found = watch.look(pieces(0))
    assert told(found) == ["low_stock firing"]
    assert watch.standings["stock_out:P1"].alert.state == State.RESOLVED


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_a_reader_of_the_announcements_always_knows_how_it_stands(quantities: list[int]):
    firing: Alert | None = None  # what somebody who reads nothing else believes is firing
    for quantity, step in zip(quantities, history(*quantities), strict=True):
        announced = [change.alert for change in step if change.announced and not change.repeated]
        assert len(announced) <= 1
        for alert in announced:
            assert firing is None or alert.rule != firing.rule or alert.state == State.RESOLVED
            firing = None if alert.state == State.RESOLVED else alert
        rule = firing and firing.rule
        assert rule == "stock_out" or quantity > 0
        assert rule != "stock_out" or quantity <= 2
        assert quantity > 5 or rule is not None
        assert quantity <= 7 or rule is None


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_looking_twice_changes_nothing(quantities: list[int]):
    watch = Watch()
    for hour, quantity in enumerate(quantities):
        at = START + hour * HOUR
        watch.look(pieces(quantity), at=at)
        assert watch.look(pieces(quantity), at=at) == []
