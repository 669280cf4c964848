"""What people do about alerts: acknowledge one, or silence one or a rule for a while. Each is a row of the `alerts` table."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from deltalake import DeltaTable

from shopnow.alerts import alert_log, rules
from shopnow.alerts.engine import Alert, Silence, State
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table

LONGEST_WHY = 300

Made = TypeVar("Made")


class Attribution(NamedTuple):
    """Who says it and why; both are kept for ever."""

    by: str
    why: str


def acknowledge(lake: str, fingerprint: str, word: Attribution) -> Alert:
    """Take care of an alert that fires: it is not told again, until it is over.

    Raises:
        UserError: no such alert fires, or nobody says why.
    """

    def decision(table: DeltaTable, now: datetime) -> tuple[Alert, alert_log.Row]:
        standings = alert_log.standings(alert_log.rows(table, "alert"))
        standing = standings.get(fingerprint)
        if standing is None or standing.alert.state not in {State.FIRING, State.ACKNOWLEDGED}:
            firing = [name for name, each in standings.items() if each.alert.state == State.FIRING]
            state = f"is {standing.alert.state}" if standing else "is none that ever fired"
            raise UserError(f"alert {fingerprint!r} {state}; {_those(firing)}")
        alert = standing.alert._replace(state=State.ACKNOWLEDGED, since=now)
        return alert, alert_log.row_of(alert)

    return _decide(lake, word, decision)


def silence(lake: str, target: str, until: datetime, word: Attribution) -> Silence:
    """Tell nothing of an alert, or of all of a rule's, until then; a later silence of the same takes its place.

    Raises:
        UserError: there is no such rule or alert, the time is over, or nobody says why.
    """

    def decision(table: DeltaTable, now: datetime) -> tuple[Silence, alert_log.Row]:
        if until <= now:
            raise UserError(f"{until:%Y-%m-%d %H:%M} UTC is over; give a time to come")
        known, standings = rules.load(), alert_log.standings(alert_log.rows(table, "alert"))
        if target not in known and target not in standings:
            active = [name for name, each in standings.items() if each.alert.active]
            raise UserError(
                f"{target!r} is neither a rule ({', '.join(known)}) nor an alert; {_those(active)}"
            )
        made = Silence(target, until, word.why, word.by)
        return made, {"kind": "silence", "state": "silenced", "target": target, "until": until}

    return _decide(lake, word, decision)


def _decide(
    lake: str, word: Attribution, decision: Callable[[DeltaTable, datetime], tuple[Made, alert_log.Row]]
) -> Made:
    if not word.why.strip() or len(word.why) > LONGEST_WHY:
        raise UserError(f"say why, in at most {LONGEST_WHY} characters; it is kept with the alert")
    if not Table(lake, alert_log.TABLE).exists():
        raise UserError("there are no alerts yet; they come with the first run of watch_stock")
    while True:
        table, now = alert_log.open_journal(lake), datetime.now(UTC)
        made, row = decision(table, now)
        try:
            alert_log.decide(
                table,
                [
                    {
                        **row,
                        "sequence": alert_log.next_sequence(table),
                        "at": now,
                        "by": word.by,
                        "reason": word.why,
                    }
                ],
            )
        except alert_log.ConcurrentWrite:
            continue
        return made


def _those(names: list[str]) -> str:
    return f"those are {', '.join(sorted(names))}" if names else "none is there now"
