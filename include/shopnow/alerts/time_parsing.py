"""Durations and times as users write them: 30m, 2h, 1d; 2026-07-01, 2026-07-01T12:00Z."""

import re
from datetime import UTC, datetime, timedelta

from shopnow.errors import UserError

DURATION_PATTERN = r"^[1-9][0-9]{0,4}[mhd]$"

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Parse a number of minutes, hours or days.

    Raises:
        UserError: the text is not a duration.
    """
    if not re.match(DURATION_PATTERN, text):
        raise UserError(f"{text!r} is not a duration; write it as 30m, 2h or 1d")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def parse_time(text: str) -> datetime:
    """Parse a date or time, in UTC unless it names an offset.

    Raises:
        UserError: the text is neither a date nor a time.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is not a date or time; write it as 2026-07-01 or 2026-07-01T12:00Z"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
