"""What common producers put around the JSON of an event, and how it is taken off.

This is the only place that knows these framings; landing stores the JSON of a framed event in the column
`payload` of raw for all readers of the lake. Readers of Kafka call `unframe`.

- a byte order mark (EF BB BF)
- the frame of a schema registry's JSON serializer: 0x00 and the schema's id in 4 bytes
- CloudEvents, structured: a JSON object with `specversion`, and the event in `data` or `data_base64`
- CloudEvents, binary: attributes in headers `ce_…`, and the event as the value

A CloudEvent's `id`, `type` and `time` stand in for `event_id`, `event_type` and `event_time` where its data
lacks them.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

Header = tuple[str, bytes | None]
"""Name and value of a record's header."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
REGISTRY_MAGIC = 0
REGISTRY_FRAME_BYTES = 5

_ATTRIBUTES = {"event_id": "id", "event_type": "type", "event_time": "time"}
_FRAMED_STARTS = (BYTE_ORDER_MARK, bytes([REGISTRY_MAGIC]))


class _CloudEvent(msgspec.Struct):
    """A structured CloudEvent; the event types of the shop have none of these required fields."""

    specversion: str
    id: str | None = None
    type: str | None = None
    time: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


class _Fields(msgspec.Struct):
    """The fields for which a CloudEvent's attributes stand in."""

    event_id: Any = msgspec.UNSET
    event_type: Any = msgspec.UNSET
    event_time: Any = msgspec.UNSET


_decode_cloud_event = msgspec.json.Decoder(_CloudEvent).decode
_decode_fields = msgspec.json.Decoder(_Fields).decode


def unframe(value: bytes, headers: Iterable[Header] | None = None) -> bytes:
    """Return the event's JSON within a record's value; the value itself if nothing known is around it.

    Args:
        headers: the record's headers.
    """
    body = _without_prefix(value) if value.startswith(_FRAMED_STARTS) else value
    if b"specversion" in body:
        body = _data(body)
    if headers and (attributes := _binary_attributes(headers)):
        body = _with_attributes(body, attributes)
    return body


def _without_prefix(value: bytes) -> bytes:
    body = value.removeprefix(BYTE_ORDER_MARK)
    if body[:1] == b"\0" and body[REGISTRY_FRAME_BYTES:].removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{":
        return body[REGISTRY_FRAME_BYTES:].removeprefix(BYTE_ORDER_MARK)
    return body


def _data(body: bytes) -> bytes:
    """Return the data of a structured CloudEvent; anything else unchanged."""
    try:
        envelope = _decode_cloud_event(body)
        fields = _decode_fields(body)
        if fields.event_type is not msgspec.UNSET:
            return body
        data = bytes(envelope.data) or base64.b64decode(envelope.data_base64 or "", validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error):
        return body
    if data.lstrip()[:1] != b"{":
        return body
    return _with_attributes(data, msgspec.structs.asdict(envelope))


def _binary_attributes(headers: Iterable[Header]) -> dict[str, str]:
    """Return the attributes of a binary CloudEvent without their prefix; none if it is no CloudEvent."""
    attributes = {
        name[3:].lower(): value.decode(errors="replace")
        for name, value in headers
        if value is not None and name[:3].lower() in {"ce_", "ce-"}
    }
    return attributes if "specversion" in attributes else {}


def _with_attributes(data: bytes, attributes: Mapping[str, Any]) -> bytes:
    """Return the data with the event's fields that it lacks put in front."""
    try:
        fields = _decode_fields(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return data
    added = {
        field: attributes[attribute]
        for field, attribute in _ATTRIBUTES.items()
        if getattr(fields, field) is msgspec.UNSET and attributes.get(attribute)
    }
    if not added:
        return data
    start = data.index(b"{") + 1
    rest = data[start:].lstrip()
    return b"{" + msgspec.json.encode(added)[1:-1] + (b"" if rest.startswith(b"}") else b",") + rest
