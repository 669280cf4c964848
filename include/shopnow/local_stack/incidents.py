"""What is wrong with the stack now, as the watchdog knows it: kept in a file, told once, and once more when it is over."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from shopnow.settings import Settings

NOTIFY_AFTER = timedelta(seconds=4)
"""A problem that a second look does not find any more is told to nobody."""


class Problem(NamedTuple):
    """Something wrong, by a key that stays the same as long as it is."""

    key: str
    what: str


@dataclass(frozen=True)
class Incident:
    """A problem since it was first seen; `told` are the channels that heard of it, `over` since when it is seen no more."""

    what: str
    since: str
    told: list[str] = field(default_factory=list)
    over: str | None = None


Incidents = Mapping[str, Incident]
"""By the problem's key."""


class PendingNotification(NamedTuple):
    """What a channel has to hear of now."""

    began: dict[str, Incident]
    over: dict[str, Incident]


def update(
    known: Incidents, problems: Iterable[Problem], unknown: Collection[str], now: datetime
) -> dict[str, Incident]:
    """The incidents after a look.

    Args:
        problems: what it found.
        unknown: beginnings of keys it could not look at; what was known of these stays.
    """
    at = now.isoformat()
    found = {problem.key: problem for problem in problems}
    after = {
        key: replace(known.get(key, Incident(each.what, at)), what=each.what, over=None)
        for key, each in found.items()
    }
    for key, incident in known.items():
        if key not in found:
            blind = any(key.startswith(each) for each in unknown)
            if blind or incident.told:
                after[key] = incident if blind or incident.over else replace(incident, over=at)
    return after


def pending_notification(incidents: Incidents, channel: str, now: datetime) -> PendingNotification:
    """What the channel was not told yet, if it is not only just seen, and what of that it was told is over."""
    old = [
        (key, each)
        for key, each in incidents.items()
        if now - datetime.fromisoformat(each.since) >= NOTIFY_AFTER
    ]
    return PendingNotification(
        {key: each for key, each in old if channel not in each.told and not each.over},
        {key: each for key, each in incidents.items() if channel in each.told and each.over},
    )


def mark_notified(incidents: Incidents, channel: str, heard: PendingNotification) -> dict[str, Incident]:
    """The incidents after the channel has heard the news; one whose end all have heard that knew of it is gone."""
    after = {}
    for key, incident in incidents.items():
        if key in heard.began:
            incident = replace(incident, told=[*incident.told, channel])
        if key in heard.over:
            incident = replace(incident, told=[each for each in incident.told if each != channel])
            if not incident.told:
                continue
        after[key] = incident
    return after


def render(heard: PendingNotification) -> tuple[str, str]:
    """The news as a subject and what follows it."""
    lines = [f"Wrong: {each.what} (since {each.since[:19]} UTC)" for each in heard.began.values()]
    lines += [
        f"Over: {each.what} (since {each.since[:19]}, until {(each.over or '')[:19]} UTC)"
        for each in heard.over.values()
    ]
    subject = (
        f"[ShopNow+] {lines[0]}"
        if len(lines) == 1
        else f"[ShopNow+] {len(heard.began)} problems, {len(heard.over)} over"
    )
    return " ".join(subject.split())[:150], "\n".join(lines)


def load(settings: Settings) -> tuple[dict[str, Incident], datetime | None]:
    """The incidents as the watchdog last wrote them, and when it did; None if it never has."""
    try:
        kept = json.loads(_file(settings).read_text())
    except (FileNotFoundError, ValueError):
        return {}, None
    return {key: Incident(**each) for key, each in kept["incidents"].items()}, datetime.fromisoformat(
        kept["looked_at"]
    )


def save(settings: Settings, incidents: Incidents) -> None:
    file = _file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    kept = {
        "looked_at": datetime.now(UTC).isoformat(),
        "incidents": {key: asdict(each) for key, each in incidents.items()},
    }
    unfinished.write_text(json.dumps(kept, indent=2))
    unfinished.rename(file)


def _file(settings: Settings) -> Path:
    return settings.data_dir / "watchdog" / "incidents.json"
