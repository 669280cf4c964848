"""The alert engine: a pure function from rules, the alerts as they stand and what is seen to the alerts that change."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from shopnow.alerts.rules import Rule


class State(StrEnum):
    """Where an alert stands. An alert that never fired has no state."""

    FIRING = "firing"
    INHIBITED = "inhibited"
    """Still true, but another alert of the same product says more."""
    RESOLVED = "resolved"


class Observation(NamedTuple):
    """A product's stock as the data shows it; `at` is the time of the last event it rests on."""

    product_id: str
    product_name: str
    quantity: int
    at: datetime


class Alert(NamedTuple):
    """One rule's alert about one product, in the state it has had since `since` (event time)."""

    rule: str
    severity: str
    product_id: str
    product_name: str
    quantity: int
    state: State
    since: datetime
    title: str
    todo: str

    @property
    def fingerprint(self) -> str:
        """What makes it the same alert the next time."""
        return fingerprint(self.rule, self.product_id)


class Change(NamedTuple):
    """An alert in its new state; `announced` unless another alert of this change says it better."""

    alert: Alert
    announced: bool


def fingerprint(rule: str, product_id: str) -> str:
    return f"{rule}:{product_id}"


def changes(rules: Mapping[str, Rule], states: Mapping[str, State], observations: Iterable[Observation]) -> list[Change]:
    """The alerts whose state changes, given the `states` by fingerprint as they stand.

    A product has at most one alert firing that nothing inhibits. Somebody who reads only the announced changes hears of
    each breach once and of its end once.
    """
    return [change for seen in observations for change in _changes_of(rules, states, seen)]


def _changes_of(rules: Mapping[str, Rule], states: Mapping[str, State], seen: Observation) -> Iterator[Change]:
    before = {name: states.get(fingerprint(name, seen.product_id), State.RESOLVED) for name in rules}
    after = _states_after(rules, before, seen.quantity)
    somethings_wrong = State.FIRING in after.values()
    for name, rule in rules.items():
        if after[name] == before[name]:
            continue
        over = after[name] == State.RESOLVED
        alert = Alert(
            rule=name,
            severity=rule.severity,
            product_id=seen.product_id,
            product_name=seen.product_name,
            quantity=seen.quantity,
            state=after[name],
            since=seen.at,
            title=rule.resolved_title if over else rule.title,
            todo="" if over else rule.todo,
        )
        # "Back in stock" is not said of a product that is still low, nor of an alert that had already given way.
        yield Change(alert, after[name] == State.FIRING or (over and before[name] == State.FIRING and not somethings_wrong))


def _states_after(rules: Mapping[str, Rule], before: Mapping[str, State], quantity: int) -> dict[str, State]:
    true = {name for name, rule in rules.items() if quantity <= rule.threshold + (rule.hysteresis if before[name] != State.RESOLVED else 0)}
    after = {}
    for name, rule in rules.items():
        if name not in true:
            after[name] = State.RESOLVED
        elif true.isdisjoint(rule.inhibited_by):
            after[name] = State.FIRING
        else:  # An alert that has not fired yet has nothing to give way with.
            after[name] = State.RESOLVED if before[name] == State.RESOLVED else State.INHIBITED
    return after
