"""What the values of an event mean, beyond their types: each rule returns the problem of an event, or None.

The decoder checks types, lengths, ranges and codes (`shopnow.events`).
"""

import re
import unicodedata
from datetime import datetime

from shopnow.canonical import texts
from shopnow.event_times import TimeLimits, problem_of_times
from shopnow.events import FREE_TEXT, Event, OrderPlaced

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_EXAMPLE_ID = "01a20ed2-7cc2-7c01-9a50-000000000001"
_LINE_BREAKS = "\t\n\r"


def problem_of(event: Event, received: datetime, limits: TimeLimits) -> str | None:
    """Return the first problem of an event with canonical values; None if it is valid.

    Args:
        received: the record's timestamp.
    """
    return (
        problem_of_times(event.event_time, getattr(event, "promised_at", None), received, limits)
        or _event_id(event)
        or _control_characters(event)
        or (amounts(event) if isinstance(event, OrderPlaced) else None)
    )


def amounts(order: OrderPlaced) -> str | None:
    """Return why the order's amounts contradict each other; None if they do not."""
    goods = sum(item.quantity * item.unit_price_cents for item in order.items)
    if order.discount_cents > goods:
        return (
            f"invalid value: discount_cents (at most {goods}, the Σ quantity × unit price of the items, "
            f"has {order.discount_cents})"
        )
    if order.total_cents != goods - order.discount_cents:
        return (
            f"invalid value: total_cents (expected {goods - order.discount_cents}, which is Σ quantity × "
            f"unit price {goods} − discount {order.discount_cents}, has {order.total_cents})"
        )
    return None


def _event_id(event: Event) -> str | None:
    if _UUID7.fullmatch(event.event_id):
        return None
    return f"invalid value: event_id (expected a UUID of version 7, such as {_EXAMPLE_ID})"


def _control_characters(event: Event) -> str | None:
    for name, text in texts(event):
        if text.isprintable():
            continue
        allowed = _LINE_BREAKS if name in FREE_TEXT else ""
        for position, character in enumerate(text, 1):
            if unicodedata.category(character) == "Cc" and character not in allowed:
                found = f"U+{ord(character):04X} at character {position}"
                return f"invalid value: {name} (control character {found})"
    return None
