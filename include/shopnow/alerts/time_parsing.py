"""Spans of time and times as people write them: 30m, 2h, 1d; 2026-07-01, 2026-07-01T12:00Z."""

import re
from datetime import UTC, datetime, timedelta

from shopnow.errors import UserError

PATTERN = r"^[1-9][0-9]{0,4}[mhd]$"

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse(text: str) -> timedelta:
    """The span, of minutes, hours or days.

    Raises:
        UserError: it is none.
    """
    if not re.match(PATTERN, text):
        raise UserError(f"{text!r} is no span of time; write it as 30m, 2h or 1d")
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def moment(text: str) -> datetime:
    """The date or time, in UTC unless it says otherwise.

    Raises:
        UserError: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{text!r} is no date or time; write it as 2026-07-01 or 2026-07-01T12:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
