"""The stack's open incidents, kept in a file: each channel is notified when one starts and when it ends."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from shopnow.settings import Settings

NOTIFY_AFTER = timedelta(seconds=4)
"""A problem that is gone at the next check is never notified."""


class Problem(NamedTuple):
    """Something that a check found wrong."""

    key: str
    """Identity of the problem, the same in every check that finds it."""
    description: str


class Incident(
    msgspec.Struct, frozen=True, rename={"description": "what", "notified": "told", "resolved_at": "over"}
):
    """A problem over time; the file uses earlier names of the fields, so that old files stay readable."""

    description: str
    since: str
    """Time of the first check that found it, ISO 8601."""
    notified: list[str] = []
    """Channels that were notified of its start, and not yet of its end."""
    resolved_at: str | None = None
    """Time of the first check that no longer found it, ISO 8601."""


Incidents = Mapping[str, Incident]
"""Incident by the key of its problem."""


class PendingNotification(NamedTuple):
    """The incidents that a channel has yet to be notified of."""

    started: dict[str, Incident]
    resolved: dict[str, Incident]

    def __bool__(self) -> bool:
        return bool(self.started or self.resolved)


class _File(msgspec.Struct):
    checked_at: str = msgspec.field(name="looked_at")
    incidents: dict[str, Incident]


def update(
    incidents: Incidents, problems: Iterable[Problem], unknown: Collection[str], now: datetime
) -> dict[str, Incident]:
    """Return the incidents after a check.

    Args:
        incidents: those before.
        problems: what the check found.
        unknown: prefixes of keys that could not be checked; their incidents stay as they are.
    """
    time = now.isoformat()
    problems_by_key = {problem.key: problem for problem in problems}
    updated = {
        key: msgspec.structs.replace(
            incidents.get(key, Incident(problem.description, time)),
            description=problem.description,
            resolved_at=None,
        )
        for key, problem in problems_by_key.items()
    }
    for key, incident in incidents.items():
        if key in problems_by_key:
            continue
        if any(key.startswith(prefix) for prefix in unknown):
            updated[key] = incident
        elif incident.notified:
            updated[key] = msgspec.structs.replace(incident, resolved_at=incident.resolved_at or time)
    return updated


def pending_notification(incidents: Incidents, channel: str, now: datetime) -> PendingNotification:
    """Return what to notify the channel of: incidents older than `NOTIFY_AFTER`, and resolved ones."""
    return PendingNotification(
        {
            key: incident
            for key, incident in incidents.items()
            if channel not in incident.notified
            and not incident.resolved_at
            and now - datetime.fromisoformat(incident.since) >= NOTIFY_AFTER
        },
        {
            key: incident
            for key, incident in incidents.items()
            if channel in incident.notified and incident.resolved_at
        },
    )


def mark_notified(
    incidents: Incidents, channel: str, notification: PendingNotification
) -> dict[str, Incident]:
    """Return the incidents after a channel was notified, without those whose end all channels know."""
    updated = {}
    for key, incident in incidents.items():
        if key in notification.started:
            incident = msgspec.structs.replace(incident, notified=[*incident.notified, channel])
        if key in notification.resolved:
            remaining = [name for name in incident.notified if name != channel]
            if not remaining:
                continue
            incident = msgspec.structs.replace(incident, notified=remaining)
        updated[key] = incident
    return updated


def render(notification: PendingNotification) -> tuple[str, str]:
    """Return the notification's subject, one line, and its text."""
    lines = [
        f"Problem: {incident.description} (since {incident.since[:19]} UTC)"
        for incident in notification.started.values()
    ]
    lines += [
        f"Resolved: {incident.description} "
        f"(since {incident.since[:19]}, until {(incident.resolved_at or '')[:19]} UTC)"
        for incident in notification.resolved.values()
    ]
    subject = (
        f"[ShopNow+] {lines[0]}"
        if len(lines) == 1
        else f"[ShopNow+] {len(notification.started)} problems, {len(notification.resolved)} resolved"
    )
    return " ".join(subject.split())[:150], "\n".join(lines)


def load(settings: Settings) -> tuple[dict[str, Incident], datetime | None]:
    """Return the stored incidents and the time of the last check; that is None without a readable file."""
    try:
        content = msgspec.json.decode(_file(settings).read_bytes(), type=_File)
    except (FileNotFoundError, ValueError):
        return {}, None
    return content.incidents, datetime.fromisoformat(content.checked_at)


def save(settings: Settings, incidents: Incidents) -> None:
    """Replace the stored incidents, atomically, as of a check that ended now."""
    file = _file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = _File(checked_at=datetime.now(UTC).isoformat(), incidents=dict(incidents))
    temporary = file.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
    temporary.rename(file)


def _file(settings: Settings) -> Path:
    return settings.data_dir / "watchdog" / "incidents.json"
