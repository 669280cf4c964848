"""The alert engine: a pure function from rules, the alerts as they stand, what is seen and the time to the alerts that change."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shopnow.alerts.rules import Rule


class State(StrEnum):
    """Where an alert stands. An alert that never fired has no state."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    """Still true, and somebody takes care of it: it is not repeated."""
    INHIBITED = "inhibited"
    """Still true, but another alert says more, or that the figures are not to be trusted."""
    RESOLVED = "resolved"


class Observation(NamedTuple):
    """A figure of one thing as the data shows it; `at` is the time of the last event it rests on."""

    figure: str
    subject: str
    name: str
    """What people call the subject."""
    value: float
    at: datetime
    facts: str
    """The value in words."""
    of: int | None = None
    """Of how many the value is a share; None if it is none."""


class Alert(NamedTuple):
    """One rule's alert about one thing, in the state it has had since `since` (event time)."""

    rule: str
    severity: str
    owner: str
    channels: tuple[str, ...]
    about: str
    subject: str
    subject_name: str
    value: float
    facts: str
    state: State
    since: datetime
    title: str
    todo: str
    firing: int = 1
    """The how-manieth time it fires."""
    thread: str | None = None
    """Dedup key of the first message about this firing; None while nobody was told."""

    @property
    def fingerprint(self) -> str:
        """What makes it the same alert the next time."""
        return fingerprint(self.rule, self.subject)

    @property
    def active(self) -> bool:
        return self.state != State.RESOLVED


class AlertStatus(NamedTuple):
    """An alert as it stands, and when people last heard of this firing of it."""

    alert: Alert
    told_at: datetime | None = None


class Silence(NamedTuple):
    """Nothing is told of an alert, or of all of a rule, until then."""

    target: str
    """A fingerprint or a rule."""
    until: datetime
    why: str
    by: str

    def covers(self, alert: Alert, now: datetime) -> bool:
        return now < self.until and self.target in {alert.rule, alert.fingerprint}


class Change(NamedTuple):
    """An alert in its new state, or, `repeated`, in the same; `announced` if it is to be told."""

    alert: Alert
    announced: bool
    repeated: bool = False


def fingerprint(rule: str, subject: str) -> str:
    return f"{rule}:{subject}"


def changes(
    rules: "Mapping[str, Rule]",
    standings: Mapping[str, AlertStatus],
    observations: Iterable[Observation],
    now: datetime,
    silences: Collection[Silence] = (),
) -> list[Change]:
    """The alerts that change or are to be told again, given how they stand by fingerprint.

    What is not observed stays as it is. Of one product at most one alert of rules that inhibit each other fires. Somebody who
    reads only the announced changes, and silences nothing, hears of each breach once, again after its rule's `repeat_after`
    if nobody acknowledges it (after half of that with a reminder of another), and of its end once.
    """
    silenced = {each.target for each in silences if now < each.until}
    look = Evaluation(rules, standings, list(observations), silenced)
    found = []
    for change in (*look.changes(now), *_of_rules_that_are_gone(rules, standings)):
        silent = look.silent(change.alert.rule, change.alert.subject)
        if not (silent and change.repeated):
            found.append(change._replace(announced=change.announced and not silent))
    return found


class Evaluation:
    """What one look sees, and which rules it finds broken by what."""

    def __init__(
        self,
        rules: "Mapping[str, Rule]",
        standings: Mapping[str, AlertStatus],
        observations: list[Observation],
        silenced: set[str],
    ) -> None:
        self.rules, self.standings, self.silenced = rules, standings, silenced
        by_figure: dict[str, list[Observation]] = {}
        for seen in observations:
            by_figure.setdefault(seen.figure, []).append(seen)
        self.seen = {
            (name, seen.subject): seen
            for name, rule in rules.items()
            for seen in by_figure.get(rule.looks_at, ())
            if seen.of is None or seen.of >= rule.of_at_least
        }
        self.broken = {
            place
            for place, seen in self.seen.items()
            if rules[place[0]].broken(seen.value, self._active(*place))
        }
        unseen = {
            (each.alert.rule, each.alert.subject) for each in standings.values() if each.alert.active
        } - self.seen.keys()
        self.broken |= {place for place in unseen if place[0] in rules}
        self.broken_rules = {rule for rule, _ in self.broken}
        self.after = {place: self._after(*place) for place in self.seen}

    def _active(self, rule: str, subject: str) -> bool:
        return self.before(rule, subject) != State.RESOLVED

    def before(self, rule: str, subject: str) -> State:
        standing = self.standings.get(fingerprint(rule, subject))
        return standing.alert.state if standing else State.RESOLVED

    def silent(self, rule: str, subject: str) -> bool:
        return not self.silenced.isdisjoint({rule, fingerprint(rule, subject)})

    def _after(self, name: str, subject: str) -> State:
        before = self.before(name, subject)
        if (name, subject) not in self.broken:
            return State.RESOLVED
        if self._held_back(name, subject):  # An alert that has not fired yet has nothing to give way with.
            return State.RESOLVED if before == State.RESOLVED else State.INHIBITED
        return State.ACKNOWLEDGED if before == State.ACKNOWLEDGED else State.FIRING

    def _held_back(self, name: str, subject: str) -> bool:
        """Whether a rule that inhibits this one is broken, by the same thing if both are about such things."""
        for other in self.rules[name].inhibited_by:
            if other in self.rules:
                alike = self.rules[other].about == self.rules[name].about
                if (other, subject) in self.broken if alike else other in self.broken_rules:
                    return True
        return False

    def changes(self, now: datetime) -> Iterator[Change]:
        # One reminder of all that is not new any more, rather than one for each.
        due = (
            0.5
            if any(
                self._waited(*place, now) >= 1 for place, state in self.after.items() if state == State.FIRING
            )
            else 1
        )
        # By subject, so that what is said of a thing stays together.
        for (name, subject), seen in sorted(self.seen.items(), key=lambda item: item[0][1]):
            before, after = self.before(name, subject), self.after[name, subject]
            standing = self.standings.get(fingerprint(name, subject))
            alert = self._alert(name, seen, after, standing)
            if after != before:
                yield Change(
                    alert, after == State.FIRING or (after == State.RESOLVED and self._is_news(name, subject))
                )
            elif after == State.FIRING and standing:
                if standing.told_at is None:
                    yield Change(alert, announced=True, repeated=True)
                elif self._waited(name, subject, now) >= due:
                    yield Change(
                        alert._replace(title=f"Reminder: {alert.title}"), announced=True, repeated=True
                    )

    def _waited(self, name: str, subject: str, now: datetime) -> float:
        """The share of `repeat_after` that has passed since people heard of an alert that goes on firing."""
        standing = self.standings.get(fingerprint(name, subject))
        if standing is None or standing.told_at is None or standing.alert.state != State.FIRING:
            return 0
        return (now - standing.told_at) / self.rules[name].repeats

    def _is_news(self, name: str, subject: str) -> bool:
        """Whether it has to be told that an alert is over.

        Not if nobody heard of it, nor if an alert says better how the thing stands: one that had made it give way, or that
        takes over from it now ("back in stock" is not said of a product that is still low, unless nothing is said of that).
        """
        if self.standings[fingerprint(name, subject)].told_at is None:
            return False
        rule, before = self.rules[name], self.before(name, subject)
        if before == State.INHIBITED and any(self._active(other, subject) for other in rule.inhibited_by):
            return False
        return not any(
            name in other.inhibited_by
            and self.after.get((key, subject)) == State.FIRING != self.before(key, subject)
            for key, other in self.rules.items()
            if other.about == rule.about and not self.silent(key, subject)
        )

    def _alert(self, name: str, seen: Observation, state: State, standing: AlertStatus | None) -> Alert:
        rule, over = self.rules[name], state == State.RESOLVED
        known = standing.alert if standing else None
        begins = known is None or not known.active
        return Alert(
            rule=name,
            severity=rule.severity,
            owner=rule.owner,
            channels=rule.channels,
            about=rule.about,
            subject=seen.subject,
            subject_name=seen.name,
            value=seen.value,
            facts=seen.facts,
            state=state,
            since=known.since if known and known.state == state else seen.at,
            title=rule.resolved_title if over else rule.title,
            todo="" if over else rule.todo,
            firing=(known.firing if known else 0) + begins,
            thread=None if known is None or begins else known.thread,
        )


def _of_rules_that_are_gone(
    rules: "Mapping[str, Rule]", standings: Mapping[str, AlertStatus]
) -> Iterator[Change]:
    """A rule that was taken out of the file ends its alerts, without a word."""
    for standing in standings.values():
        if standing.alert.rule not in rules and standing.alert.active:
            yield Change(
                standing.alert._replace(state=State.RESOLVED, facts="its rule is gone", todo=""),
                announced=False,
            )
