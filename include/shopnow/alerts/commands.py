"""Commands to acknowledge and silence alerts; each is a row of the `alerts` table."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from deltalake import DeltaTable

from shopnow.alerts import alert_log, rules
from shopnow.alerts.model import Alert, Silence, State
from shopnow.errors import UserError
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table

MAX_REASON_LENGTH = 300

Result = TypeVar("Result")


class Attribution(NamedTuple):
    """Who gives a command and why; both are kept in the `alerts` table."""

    by: str
    reason: str


def acknowledge(lake: str, fingerprint: str, attribution: Attribution) -> Alert:
    """Acknowledge a firing alert: no reminders are sent until it is resolved.

    Raises:
        UserError: no such alert fires, or the reason is missing or too long.
    """

    def decide(table: DeltaTable, now: datetime) -> tuple[Alert, alert_log.Row]:
        statuses = alert_log.latest_statuses(alert_log.read_rows(table, "alert"))
        status = statuses.get(fingerprint)
        if status is None or status.alert.state not in {State.FIRING, State.ACKNOWLEDGED}:
            firing = [name for name, other in statuses.items() if other.alert.state == State.FIRING]
            problem = f"is {status.alert.state}, not firing" if status else "has never fired"
            raise UserError(f"alert {fingerprint!r} {problem}; firing alerts: {_listed(firing)}")
        alert = status.alert._replace(state=State.ACKNOWLEDGED, since=now)
        return alert, alert_log.alert_columns(alert)

    return _commit(lake, attribution, decide)


def silence(lake: str, target: str, until: datetime, attribution: Attribution) -> Silence:
    """Suppress the notifications of an alert, or of all alerts of a rule, until a time.

    A later silence of the same target replaces it.

    Raises:
        UserError: the rule or alert does not exist, the time has passed, or the reason is missing or too
            long.
    """
    try:
        until = until.astimezone(UTC)
    except OverflowError:
        raise UserError("the end of the silence is beyond the calendar; give an earlier time") from None

    def decide(table: DeltaTable, now: datetime) -> tuple[Silence, alert_log.Row]:
        if until <= now:
            raise UserError(f"{until:%Y-%m-%d %H:%M} UTC has passed; give a time in the future")
        rule_set = rules.load()
        statuses = alert_log.latest_statuses(alert_log.read_rows(table, "alert"))
        if target not in rule_set and target not in statuses:
            active = [name for name, status in statuses.items() if status.alert.is_active]
            raise UserError(
                f"{target!r} is neither a rule ({', '.join(rule_set)}) nor an alert; "
                f"active alerts: {_listed(active)}"
            )
        result = Silence(target, until, attribution.reason, attribution.by)
        return result, {"kind": "silence", "state": "silenced", "target": target, "until": until}

    return _commit(lake, attribution, decide)


def _commit(
    lake: str,
    attribution: Attribution,
    decide: Callable[[DeltaTable, datetime], tuple[Result, alert_log.Row]],
) -> Result:
    """Commit a decision, deciding again on the new snapshot whenever another one was committed first."""
    reason = attribution.reason
    if not reason.strip() or len(reason) > MAX_REASON_LENGTH:
        raise UserError(f"give a reason of at most {MAX_REASON_LENGTH} characters; it is kept with the alert")
    if not Table(lake, alert_log.TABLE).exists():
        raise UserError("there are no alerts yet; the first run of watch_stock creates them")

    def attempt() -> Result:
        table, now = alert_log.open_table(lake), datetime.now(UTC)
        result, row = decide(table, now)
        context = {
            "sequence": alert_log.next_sequence(table),
            "at": now,
            "by": attribution.by,
            "reason": reason,
        }
        alert_log.commit_decision(table, [{**row, **context}])
        return result

    return retry_on_conflict(attempt)


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names)) or "none"
