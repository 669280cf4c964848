"""The mails of the service monitor about services that ended."""

import re
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import NamedTuple

KILL_SECONDS = 5.0
"""How much later than the kill the end of a service is recorded at most."""


class Report(NamedTuple):
    """A mail's line about the end of a service."""

    service: str
    ended_at: datetime


def list_reports(folder: Path) -> list[Report]:
    pattern = re.compile(r"^Problem: (\S+) ended at (\S+) UTC .*\(since (\S+) UTC\)\r?$", re.MULTILINE)
    reports = []
    for file in folder.glob("*.eml"):
        mail = message_from_bytes(file.read_bytes(), policy=default_policy)
        body = mail.get_body(("plain",))
        text = body.get_content() if body else ""
        for service, ended, since in pattern.findall(text):
            found_at = datetime.fromisoformat(f"{since}+00:00")
            # The line has the day of the check only, which may be the one before or after.
            days = [found_at.date() + timedelta(days=days) for days in (-1, 0, 1)]
            times = [datetime.fromisoformat(f"{day}T{ended}+00:00") for day in days]
            reports.append(Report(service, min(times, key=lambda at: abs(at - found_at))))
    return reports


def reports_of(service: str, killed_at: datetime, reports: list[Report], max_seconds: float) -> list[Report]:
    """Return the reports of a kill: one in all if it was reported once.

    A service may end again within seconds, because of another one that was killed; that is another failure.
    """
    own = [report for report in reports if report.service == service]
    for seconds in (KILL_SECONDS, max_seconds):  # an open incident has the last of several ends
        last = killed_at + timedelta(seconds=seconds)
        # Supervisord's times are whole seconds.
        matching = [report for report in own if killed_at - timedelta(seconds=1) <= report.ended_at <= last]
        if matching:
            first = min(report.ended_at for report in matching)
            return [report for report in matching if report.ended_at == first]
    return []
