"""Events as a person gives them, in JSON, checked against the event definitions before any of them is sent.

An event counts as valid if landing will take it for valid: the very bytes that are sent are checked by the function landing uses.
A sender may leave out `event_id`, `event_time` and `schema_version`; what they give is sent as they wrote it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from shopnow import validation
from shopnow.errors import UserError
from shopnow.events import SCHEMA_VERSION, TOPIC_OF, TOPICS, key

MAX_BYTES = 16 << 20
MAX_EVENTS = 50_000
"""What one batch may hold: it is one Kafka transaction, and is kept in memory."""

_TOPICS = {str(type_.__struct_config__.tag): topic for type_, topic in TOPIC_OF.items()}
_DECODE = {topic.name: topic.decoder().decode for topic in TOPICS.values()}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class InvalidBatch(UserError):
    """There is nothing to send, or too much."""


class Accepted(NamedTuple):
    """A valid event."""

    number: int
    """Its place in the input, from 1: the line of JSON lines, or the position in an array."""
    event_type: str
    event_id: str
    topic: str
    key: bytes
    value: bytes


class Rejected(NamedTuple):
    """What is no valid event."""

    number: int
    event_type: str | None
    field: str | None
    """The field that is to blame, such as `order_id` or `items[].quantity`; None if it is not one field."""
    problem: str
    """What is wrong, as landing would put it."""


class Checked(NamedTuple):
    accepted: list[Accepted]
    rejected: list[Rejected]


class Defaults(NamedTuple):
    """What an event is given that has none of its own."""

    event_time: datetime
    event_id: Callable[[int], str]
    """By the event's number."""


class _Head(msgspec.Struct):
    """As much of an event as has to be known before it can be checked."""

    event_type: str
    event_id: Any = msgspec.UNSET
    event_time: Any = msgspec.UNSET
    schema_version: Any = msgspec.UNSET


_decode_head = msgspec.json.Decoder(_Head).decode


def check(data: bytes, blanks: Defaults) -> Checked:
    """Check one JSON object, an array of them, or JSON lines, of any mix of event types.

    Raises:
        UnfitBatch: there is no event in it, or more than one batch may hold.
    """
    if len(data) > MAX_BYTES:
        raise InvalidBatch(f"the events take more than {MAX_BYTES >> 20} MiB: send them in several batches")
    checked = Checked([], [])
    numbers: dict[str, int] = {}
    for number, value in _split(data.removeprefix(_BYTE_ORDER_MARK)):
        if len(numbers) + len(checked.rejected) == MAX_EVENTS:
            raise InvalidBatch(f"there are more than {MAX_EVENTS:,} events: send them in several batches")
        outcome = _check_one(number, value, blanks)
        if isinstance(outcome, Rejected):
            checked.rejected.append(outcome)
        elif (first := numbers.setdefault(outcome.event_id, number)) != number:
            # The lake keeps one event of each id, so one of the two would be lost.
            problem = f"invalid value: event_id (the same as that of event {first})"
            checked.rejected.append(Rejected(number, outcome.event_type, "event_id", problem))
        else:
            checked.accepted.append(outcome)
    if not checked.accepted and not checked.rejected:
        raise InvalidBatch(
            "there is no event to send: give one JSON object, an array of them, or one on each line"
        )
    return checked


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each event's number and bytes; those that are not JSON as well, to be rejected one by one."""
    data = data.strip()
    try:
        if data.startswith(b"["):
            yield from enumerate(map(bytes, msgspec.json.decode(data, type=list[msgspec.Raw])), 1)
            return
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        # An object on each line, unless the first line is only the beginning of one.
        if b"\n" in data and data.split(b"\n", 1)[0].rstrip().endswith(b"}"):
            yield from (
                (number, line.strip()) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()
            )
            return
    if data:
        yield 1, data


def _check_one(number: int, value: bytes, blanks: Defaults) -> Accepted | Rejected:
    try:
        value.decode()
        head = _decode_head(value)
        value, event_type = _fill(number, value, head, blanks), head.event_type
    except Exception:  # what it is, the check below says
        event_type = None
    topic = _TOPICS.get(event_type or "", TOPICS["orders"])
    decode = _DECODE[topic.name]
    if found := validation.check(decode, [value], pa.array([value], pa.binary())).problems:
        problem = found[0] or ""
        return Rejected(number, event_type, validation.field(problem), problem)
    event = decode(value)
    return Accepted(number, str(event.__struct_config__.tag), event.event_id, topic.name, key(event), value)


def _fill(number: int, value: bytes, head: _Head, blanks: Defaults) -> bytes:
    """The event with what it lacks set in front; the rest stays byte for byte."""
    filled: dict[str, Any] = {}
    if head.event_id is msgspec.UNSET:
        filled["event_id"] = blanks.event_id(number)
    if head.event_time is msgspec.UNSET:
        filled["event_time"] = blanks.event_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if head.schema_version is msgspec.UNSET:
        filled["schema_version"] = SCHEMA_VERSION
    return msgspec.json.encode(filled)[:-1] + b"," + value[1:] if filled else value
