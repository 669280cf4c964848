"""The alert engine: a pure function of rules, current alert statuses, observations and the time."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from shopnow.alerts.model import Alert, AlertStatus, Change, Observation, Silence, State, fingerprint
from shopnow.alerts.rules import Rule


def compute_changes(
    rules: Mapping[str, Rule],
    statuses: Mapping[str, AlertStatus],
    observations: Iterable[Observation],
    now: datetime,
    silences: Collection[Silence] = (),
) -> list[Change]:
    """Compute the alerts that change state or are due for notification.

    Subjects that are not observed keep their state. Of rules that inhibit each other, at most one alert fires
    per product. A reader of only the announced changes, with nothing silenced, learns of each breach
    once, again after its rule's `repeat_after` while nobody acknowledges it (after half of that if another
    reminder is due), and of its end once.

    Args:
        statuses: current statuses by fingerprint.
    """
    silenced = {silence.target for silence in silences if now < silence.until}
    evaluation = Evaluation(rules, statuses, list(observations), silenced)
    changes = []
    for change in (*evaluation.changes(now), *_resolve_removed_rules(rules, statuses)):
        is_silenced = evaluation.is_silenced(change.alert.rule, change.alert.subject)
        if not (is_silenced and change.repeated):
            changes.append(change._replace(announced=change.announced and not is_silenced))
    return changes


class Evaluation:
    """One evaluation of all rules: the observations of each rule, and which of them breach it."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        statuses: Mapping[str, AlertStatus],
        observations: list[Observation],
        silenced: set[str],
    ) -> None:
        self.rules, self.statuses, self.silenced = rules, statuses, silenced
        by_metric: dict[str, list[Observation]] = {}
        for observation in observations:
            by_metric.setdefault(observation.metric, []).append(observation)
        # Keys are (rule, subject).
        self.observed = {
            (name, observation.subject): observation
            for name, rule in rules.items()
            for observation in by_metric.get(rule.metric, ())
            if observation.sample_size is None or observation.sample_size >= rule.min_sample_size
        }
        self.breached = {
            key
            for key, observation in self.observed.items()
            if rules[key[0]].is_breached(observation.value, self._is_active(*key))
        }
        unobserved = {
            (status.alert.rule, status.alert.subject)
            for status in statuses.values()
            if status.alert.is_active
        } - self.observed.keys()
        self.breached |= {key for key in unobserved if key[0] in rules}
        self.breached_rules = {rule for rule, _ in self.breached}
        self.new_states = {key: self._new_state(*key) for key in self.observed}

    def _is_active(self, rule: str, subject: str) -> bool:
        return self.old_state(rule, subject) != State.RESOLVED

    def old_state(self, rule: str, subject: str) -> State:
        status = self.statuses.get(fingerprint(rule, subject))
        return status.alert.state if status else State.RESOLVED

    def is_silenced(self, rule: str, subject: str) -> bool:
        return not self.silenced.isdisjoint({rule, fingerprint(rule, subject)})

    def _new_state(self, name: str, subject: str) -> State:
        old = self.old_state(name, subject)
        if (name, subject) not in self.breached:
            return State.RESOLVED
        if self._is_inhibited(name, subject):  # An alert that has not fired yet is not recorded as inhibited.
            return State.RESOLVED if old == State.RESOLVED else State.INHIBITED
        return State.ACKNOWLEDGED if old == State.ACKNOWLEDGED else State.FIRING

    def _is_inhibited(self, name: str, subject: str) -> bool:
        """Return whether an inhibiting rule is breached: by this subject if both rules are about its kind."""
        for inhibitor in self.rules[name].inhibited_by:
            if inhibitor in self.rules:
                same_kind = self.rules[inhibitor].about == self.rules[name].about
                if (inhibitor, subject) in self.breached if same_kind else inhibitor in self.breached_rules:
                    return True
        return False

    def changes(self, now: datetime) -> Iterator[Change]:
        # One reminder for all that are at least half due, rather than one for each.
        is_reminder_due = any(
            self._repeat_progress(*key, now) >= 1
            for key, state in self.new_states.items()
            if state == State.FIRING
        )
        due = 0.5 if is_reminder_due else 1
        # By subject, so that the changes of one subject stay together.
        for (name, subject), observation in sorted(self.observed.items(), key=lambda item: item[0][1]):
            old, new = self.old_state(name, subject), self.new_states[name, subject]
            status = self.statuses.get(fingerprint(name, subject))
            alert = self._alert(name, observation, new, status)
            if new != old:
                yield Change(
                    alert,
                    new == State.FIRING or (new == State.RESOLVED and self._announces_end(name, subject)),
                )
            elif new == State.FIRING and status:
                if status.notified_at is None:
                    yield Change(alert, announced=True, repeated=True)
                elif self._repeat_progress(name, subject, now) >= due:
                    yield Change(
                        alert._replace(title=f"Reminder: {alert.title}"), announced=True, repeated=True
                    )

    def _repeat_progress(self, name: str, subject: str, now: datetime) -> float:
        """Return the fraction of `repeat_after` elapsed since the last notification of a firing alert."""
        status = self.statuses.get(fingerprint(name, subject))
        if status is None or status.notified_at is None or status.alert.state != State.FIRING:
            return 0
        return (now - status.notified_at) / self.rules[name].repeat_interval

    def _announces_end(self, name: str, subject: str) -> bool:
        """Return whether people are notified of the end of an alert.

        They are not if they were never notified that it fires, nor if another alert describes the subject
        better: one that inhibited it, or one that takes over now ("back in stock" is not sent for a product
        that is still low, unless that is silenced).
        """
        if self.statuses[fingerprint(name, subject)].notified_at is None:
            return False
        rule, old = self.rules[name], self.old_state(name, subject)
        if old == State.INHIBITED and any(
            self._is_active(inhibitor, subject) for inhibitor in rule.inhibited_by
        ):
            return False
        return not any(
            name in successor.inhibited_by
            and self.new_states.get((key, subject)) == State.FIRING != self.old_state(key, subject)
            for key, successor in self.rules.items()
            if successor.about == rule.about and not self.is_silenced(key, subject)
        )

    def _alert(self, name: str, observation: Observation, state: State, status: AlertStatus | None) -> Alert:
        rule, is_resolved = self.rules[name], state == State.RESOLVED
        previous = status.alert if status else None
        is_new_firing = previous is None or not previous.is_active
        return Alert(
            rule=name,
            severity=rule.severity,
            owner=rule.owner,
            channels=rule.channels,
            about=rule.about,
            subject=observation.subject,
            subject_name=observation.subject_name,
            value=observation.value,
            facts=observation.facts,
            state=state,
            since=previous.since if previous and previous.state == state else observation.at,
            title=rule.resolved_title if is_resolved else rule.title,
            todo="" if is_resolved else rule.todo,
            firing=(previous.firing if previous else 0) + is_new_firing,
            thread=None if previous is None or is_new_firing else previous.thread,
        )


def _resolve_removed_rules(
    rules: Mapping[str, Rule], statuses: Mapping[str, AlertStatus]
) -> Iterator[Change]:
    """Resolve the alerts of rules that were removed from the file, without a notification."""
    for status in statuses.values():
        if status.alert.rule not in rules and status.alert.is_active:
            yield Change(
                status.alert._replace(state=State.RESOLVED, facts="its rule was removed", todo=""),
                announced=False,
            )
