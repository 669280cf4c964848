"""Validation of user events in JSON before any of them is sent.

The bytes that are sent are checked by the same function as in landing, so a valid event is valid in the lake
too. Senders may omit `event_id`, `event_time` and `schema_version`; everything else is sent byte for byte.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from shopnow import validation
from shopnow.errors import UserError
from shopnow.events import SCHEMA_VERSION, TOPIC_OF, TOPICS, key
from shopnow.framing import unframe

MAX_BYTES = 16 << 20
MAX_EVENTS = 50_000
"""Limits of a batch, which is one Kafka transaction and is held in memory."""

_TOPICS = {str(type_.__struct_config__.tag): topic for type_, topic in TOPIC_OF.items()}
_DECODE = {topic.name: topic.decoder().decode for topic in TOPICS.values()}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class InvalidBatch(UserError):
    """The batch is empty or too large."""


class Accepted(NamedTuple):
    """A valid event."""

    number: int
    """Position in the input from 1: the line number of JSON lines, or the index in an array."""
    event_type: str
    event_id: str
    topic: str
    key: bytes
    value: bytes


class Rejected(NamedTuple):
    """An invalid event."""

    number: int
    event_type: str | None
    field: str | None
    """The invalid field, such as `order_id` or `items[].quantity`; None if it is not one field."""
    problem: str
    """The quarantine reason that landing would give."""


class Checked(NamedTuple):
    accepted: list[Accepted]
    rejected: list[Rejected]


class Defaults(NamedTuple):
    """Values for the fields that an event omits."""

    event_time: datetime
    event_id: Callable[[int], str]
    """Function of the event's number."""


class _Head(msgspec.Struct):
    """The fields of an event that are needed before it can be validated."""

    event_type: str
    event_id: Any = msgspec.UNSET
    event_time: Any = msgspec.UNSET
    schema_version: Any = msgspec.UNSET


_decode_head = msgspec.json.Decoder(_Head).decode


def check(data: bytes, defaults: Defaults) -> Checked:
    """Validate one JSON object, an array of objects, or JSON lines, of any mix of event types.

    Raises:
        InvalidBatch: there are no events, or more than `MAX_EVENTS` or `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise InvalidBatch(
            f"the events exceed the maximum of {MAX_BYTES >> 20} MiB; send them in several batches"
        )
    checked = Checked([], [])
    numbers: dict[str, int] = {}
    for number, value in _split(data.removeprefix(_BYTE_ORDER_MARK)):
        if len(numbers) + len(checked.rejected) == MAX_EVENTS:
            raise InvalidBatch(f"there are more than {MAX_EVENTS:,} events; send them in several batches")
        result = _check_event(number, value, defaults)
        if isinstance(result, Rejected):
            checked.rejected.append(result)
        elif (first := numbers.setdefault(result.event_id, number)) != number:
            # The lake deduplicates by event id, so one of the two would be dropped.
            problem = f"invalid value: event_id (the same as that of event {first})"
            checked.rejected.append(Rejected(number, result.event_type, "event_id", problem))
        else:
            checked.accepted.append(result)
    if not checked.accepted and not checked.rejected:
        raise InvalidBatch(
            "there is no event to send; give one JSON object, an array of objects, or one object per line"
        )
    return checked


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each event, also if it is not JSON, so that it is rejected alone."""
    data = data.strip()
    try:
        if data.startswith(b"["):
            yield from enumerate(map(bytes, msgspec.json.decode(data, type=list[msgspec.Raw])), 1)
            return
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        # JSON lines, unless the first line is only the start of an object.
        if b"\n" in data and data.split(b"\n", 1)[0].rstrip().endswith(b"}"):
            yield from (
                (number, line.strip()) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()
            )
            return
    if data:
        yield 1, data


def _check_event(number: int, value: bytes, defaults: Defaults) -> Accepted | Rejected:
    try:
        body = unframe(value)
        body.decode()
        head = _decode_head(body)
        event_type = head.event_type
        if body is value:
            value = _add_defaults(number, value, head, defaults)
    except Exception:  # the validation below reports the problem
        event_type = None
    topic = _TOPICS.get(event_type or "", TOPICS["orders"])
    event, _, problem = validation.check_record(_DECODE[topic.name], value)
    if event is None:
        problem = problem or ""
        return Rejected(number, event_type, validation.field_of(problem), problem)
    return Accepted(number, str(event.__struct_config__.tag), event.event_id, topic.name, key(event), value)


def _add_defaults(number: int, value: bytes, head: _Head, defaults: Defaults) -> bytes:
    """Return the event with omitted fields put in front; the rest is unchanged."""
    added: dict[str, Any] = {}
    if head.event_id is msgspec.UNSET:
        added["event_id"] = defaults.event_id(number)
    if head.event_time is msgspec.UNSET:
        added["event_time"] = defaults.event_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if head.schema_version is msgspec.UNSET:
        added["schema_version"] = SCHEMA_VERSION
    return msgspec.json.encode(added)[:-1] + b"," + value[1:] if added else value
