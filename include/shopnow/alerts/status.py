"""How alerts, silences and messages stand, from the `alerts` table, for people to see."""

from datetime import datetime
from typing import Any, NamedTuple

from shopnow.alerts import alert_log, outbox
from shopnow.lake.delta.tables import Table

SHOWN = (
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
    """Each a list of dicts, as JSON has them."""

    alerts: list[dict[str, Any]]
    """Those that fire or are acknowledged or inhibited, the newest first, with `told_at`, `by`, `reason` and `silenced_until`."""
    silences: list[dict[str, Any]]
    """Those in force."""
    messages: list[dict[str, Any]]
    """Those not known to be out, dead ones among them, the newest first."""
    history: list[dict[str, Any]]
    """Every change of every alert, the newest first; `dedup_key` is the message that told it, if one did."""


def overview(lake: str, now: datetime) -> Overview:
    """How it all stands; empty before the first look."""
    if not Table(lake, alert_log.TABLE).exists():
        return Overview([], [], [], [])
    rows = alert_log.rows(alert_log.open_journal(lake), "alert", "silence", "message")
    silences = [each for each in alert_log.silences(rows) if now < each.until]
    newest = {row["fingerprint"]: row for row in rows if row["kind"] == "alert"}
    alerts = []
    for fingerprint, standing in alert_log.standings(rows).items():
        if standing.alert.active:
            row = newest[fingerprint]
            until = max((each.until for each in silences if each.covers(standing.alert, now)), default=None)
            told = {
                "told_at": standing.told_at,
                "by": row["by"],
                "reason": row["reason"],
                "silenced_until": until,
            }
            alerts.append({**{name: row[name] for name in SHOWN}, **told})
    changes = ("at", *SHOWN, "dedup_key", "by", "reason")
    return Overview(
        alerts=sorted(alerts, key=lambda alert: alert["since"], reverse=True),
        silences=[each._asdict() for each in silences],
        messages=[_message(each) for each in reversed(outbox.messages(rows)) if each[-1]["state"] != "sent"],
        history=[{name: row[name] for name in changes} for row in reversed(rows) if row["kind"] == "alert"],
    )


def _message(rows: list[alert_log.Row]) -> dict[str, Any]:
    newest = rows[-1]
    named = {name: newest[name] for name in ("channel", "dedup_key", "state", "reason")}
    return {
        **named,
        "attempts": newest["attempts"] or 0,
        "queued_at": rows[0]["at"],
        "at": newest["at"],
        "over": outbox.is_over(rows),
    }
