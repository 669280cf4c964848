"""Spans of time as people write them: 30m, 2h, 1d."""

import re
from datetime import timedelta

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
