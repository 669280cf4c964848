"""Contents of the messages: the alerts in their latest state, with their background."""

import logging
from collections.abc import Iterable, Iterator, Mapping

from shopnow.alerts import alert_log, restock_advice
from shopnow.alerts.alert_log import Row
from shopnow.alerts.message import Background, Message, ThreadRoot, compose
from shopnow.alerts.model import Alert
from shopnow.alerts.outbox import Pending
from shopnow.alerts.proposals import count_waiting, read_proposals
from shopnow.audit import audit_log

MessageContents = Mapping[tuple[str, str], Message]
"""Messages by dedup key and channel."""

_log = logging.getLogger(__name__)


def read_background(lake: str, link: str) -> Background:
    """Read what messages say besides their alerts; without advice if its tables cannot be read."""
    try:
        advice = restock_advice.read(lake)
    except Exception:  # a damaged KPI table must not hold up an alert
        _log.exception("the messages are sent without the money at risk")
        advice = {}
    return Background(link, _audit_warning(lake), advice)


def compose_all(rows: list[Row], messages: Iterable[Pending], background: Background) -> MessageContents:
    """Compose each message for its channel, with the earlier messages of its threads as they read now."""
    announced, statuses = alert_log.announced_alerts(rows), alert_log.latest_statuses(rows)
    references = {
        (row["dedup_key"], row["channel"]): row["reference"]
        for row in rows
        if row["kind"] == "message" and row["reference"]
    }
    sequences = {
        row["dedup_key"]: row["sequence"] for row in rows if row["kind"] == "alert" and row["dedup_key"]
    }

    def latest(alert: Alert) -> Alert:
        current = statuses[alert.fingerprint].alert
        return current if current.firing == alert.firing else alert

    def thread_roots(key: str, channel: str) -> Iterator[ThreadRoot]:
        threads = {
            row["thread"] for row in rows if row["kind"] == "alert" and row["sequence"] == sequences[key]
        }
        for thread in sorted(threads - {None, key}):
            if reference := references.get((thread, channel)):
                alerts = map(latest, for_channel(channel, announced[thread]))
                yield ThreadRoot(compose(thread, alerts, background), reference)

    waiting_proposals = count_waiting(read_proposals(rows))
    contents = {}
    for message in messages:
        try:
            contents[message.dedup_key, message.channel] = compose(
                message.dedup_key,
                for_channel(message.channel, announced[message.dedup_key]),
                background,
                thread_roots(message.dedup_key, message.channel),
                waiting_proposals,
            )
        except Exception:  # it is refused when its turn comes, and the others are sent
            _log.exception("%s: message %s cannot be composed", message.channel, message.dedup_key)
    return contents


def for_channel(channel: str, alerts: Iterable[Alert]) -> list[Alert]:
    """Return the alerts whose rule names the channel."""
    return [alert for alert in alerts if channel in alert.channels]


def _audit_warning(lake: str) -> str:
    """Return the first failed check of the latest audit, in words; empty if none failed."""
    audit = audit_log.latest(lake)
    if audit is None or not audit.broken:
        return ""
    check = f"{audit.verdict}: {audit.broken[0].detail}"
    return f"a check failed in the audit of {audit.at:%Y-%m-%d %H:%M} UTC: {check}"
