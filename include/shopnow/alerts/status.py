"""Overview of alerts, silences and messages from the `alerts` table, for the CLI and metrics."""

from datetime import datetime
from typing import Any, NamedTuple

from shopnow.alerts import alert_log, outbox
from shopnow.alerts.proposals import read_proposals
from shopnow.lake.delta.tables import Table

ALERT_COLUMNS = (
    "fingerprint",
    "rule",
    "severity",
    "owner",
    "state",
    "subject",
    "subject_name",
    "value",
    "facts",
    "since",
    "title",
    "firing",
)


class Overview(NamedTuple):
    """Lists of dicts whose keys are those of the JSON output."""

    alerts: list[dict[str, Any]]
    """Active alerts, newest first, with `told_at`, `by`, `reason`, `silenced_until`, and `restock`: the state
    of the proposal to restock the product."""
    silences: list[dict[str, Any]]
    """Silences in force."""
    messages: list[dict[str, Any]]
    """Messages not known to be sent, dead ones included, newest first."""
    history: list[dict[str, Any]]
    """Every change of every alert, newest first; `dedup_key` is the message that notified it, if any."""


def overview(lake: str, now: datetime) -> Overview:
    """Return the overview at `now`; empty before the first evaluation."""
    if not Table(lake, alert_log.TABLE).exists():
        return Overview([], [], [], [])
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert", "silence", "message", "proposal")
    restock = {proposal.product_id: proposal.state for proposal in read_proposals(rows) if proposal.holds}
    silences = [silence for silence in alert_log.silences(rows) if now < silence.until]
    newest = {row["fingerprint"]: row for row in rows if row["kind"] == "alert"}
    alerts = []
    for fingerprint, status in alert_log.latest_statuses(rows).items():
        if status.alert.is_active:
            row = newest[fingerprint]
            ends = [silence.until for silence in silences if silence.covers(status.alert, now)]
            notification = {
                "told_at": status.notified_at,
                "by": row["by"],
                "reason": row["reason"],
                "silenced_until": max(ends, default=None),
                "restock": restock.get(row["subject"]) if row["about"] == "product" else None,
            }
            alerts.append({**{name: row[name] for name in ALERT_COLUMNS}, **notification})
    histories = reversed(outbox.message_histories(rows))
    change_columns = ("at", *ALERT_COLUMNS, "dedup_key", "by", "reason")
    return Overview(
        alerts=sorted(alerts, key=lambda alert: alert["since"], reverse=True),
        silences=[
            {"target": silence.target, "until": silence.until, "why": silence.reason, "by": silence.by}
            for silence in silences
        ],
        messages=[_message(history) for history in histories if history[-1]["state"] != "sent"],
        history=[
            {name: row[name] for name in change_columns} for row in reversed(rows) if row["kind"] == "alert"
        ],
    )


def _message(history: list[alert_log.Row]) -> dict[str, Any]:
    newest = history[-1]
    return {
        **{name: newest[name] for name in ("channel", "dedup_key", "state", "reason")},
        "attempts": newest["attempts"] or 0,
        "queued_at": history[0]["at"],
        "at": newest["at"],
        "over": outbox.is_finished(history),
    }
