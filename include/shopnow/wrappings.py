"""Names of encodings that are not JSON in UTF-8, and the setting of the producer that mends each.

Records in them stay in quarantine under the name of what they are. Only values that are not an event are
looked at, so a rare misjudgement of arbitrary bytes costs nothing but the text of a reason.
"""

import re
from typing import NamedTuple

import msgspec

from shopnow.framing import REGISTRY_FRAME_BYTES

_COMPRESS = "send plain JSON, and compress with the producer setting compression.type, which Kafka undoes"
_TO_JSON = "send JSON: set the serializer (Kafka Connect: value.converter) to a JSON one"


class Wrapping(NamedTuple):
    """What a value is, and what the producer has to change."""

    name: str
    remedy: str

    def __str__(self) -> str:
        """Return the problem of a record."""
        return f"not JSON: {self.name} ({self.remedy})"


_SIGNATURES = (
    (b"\x1f\x8b", "gzip", _COMPRESS),
    (b"\x28\xb5\x2f\xfd", "zstd", _COMPRESS),
    (b"\x04\x22\x4d\x18", "lz4", _COMPRESS),
    (b"\x02\x21\x4c\x18", "lz4", _COMPRESS),
    (b"\xff\x06\x00\x00sNaPpY", "snappy", _COMPRESS),
    (b"\x82SNAPPY\x00", "snappy", _COMPRESS),
    (b"\xfd7zXZ\x00", "xz", _COMPRESS),
    (b"BZh", "bzip2", _COMPRESS),
    (b"\x78\x01", "zlib", _COMPRESS),
    (b"\x78\x5e", "zlib", _COMPRESS),
    (b"\x78\x9c", "zlib", _COMPRESS),
    (b"\x78\xda", "zlib", _COMPRESS),
    (b"PK\x03\x04", "ZIP", _COMPRESS),
    (b"Obj\x01", "Avro container file", _TO_JSON),
    (b"\xc3\x01", "Avro single object", _TO_JSON),
    (b"PAR1", "Parquet file", _TO_JSON),
    (b"ARROW1", "Arrow file", _TO_JSON),
    (b"\xac\xed\x00\x05", "Java serialization", "set value.serializer to a JSON or string serializer"),
    (b"\x80\x03", "Python pickle", "serialize with json.dumps(event).encode()"),
    (b"\x80\x04\x95", "Python pickle", "serialize with json.dumps(event).encode()"),
    (b"\x80\x05\x95", "Python pickle", "serialize with json.dumps(event).encode()"),
    (b"\xff\xfe", "UTF-16", "encode the text as UTF-8"),
    (b"\xfe\xff", "UTF-16", "encode the text as UTF-8"),
    (b"\x00\x00\xfe\xff", "UTF-32", "encode the text as UTF-8"),
    (b"\xd9\xd9\xf7", "CBOR", _TO_JSON),
    (b"[object Object]", "the text [object Object]", "serialize with JSON.stringify(event)"),
    (b"<", "XML", _TO_JSON),
    (b"%PDF", "PDF", _TO_JSON),
)
_UTF_16 = re.compile(rb"(?:[\t\n\r -~]\x00){4}|(?:\x00[\t\n\r -~]){4}")
_UTF_32 = re.compile(rb"(?:[\t\n\r -~]\x00{3}){2}|(?:\x00{3}[\t\n\r -~]){2}")
_BASE64_OF_OBJECT = re.compile(rb"e(?:yJ|yAg|w0K|wog|wov|30)[A-Za-z0-9+/_-]*={0,2}\s*")
_ASSIGNMENTS = re.compile(rb"\{?['\w]+\s*[:=]\s*\S")
_GLUE_HEADER_BYTES = 18


def of_bytes(value: bytes) -> Wrapping | None:
    """Name the encoding of a value that is not JSON; None if it is none of the known ones."""
    if _UTF_32.match(value):
        return Wrapping("UTF-32", "encode the text as UTF-8")
    if _UTF_16.match(value):
        return Wrapping("UTF-16", "encode the text as UTF-8")
    for signature, name, remedy in _SIGNATURES:
        if value.startswith(signature):
            return Wrapping(name, remedy)
    if value[:1] == b"\0" and len(value) > REGISTRY_FRAME_BYTES:
        return _of_registry_frame(value)
    if value[:1] == b"\x03" and value[1:2] in {b"\x00", b"\x05"} and len(value) > _GLUE_HEADER_BYTES:
        return Wrapping("AWS Glue schema registry frame", _TO_JSON)
    if _BASE64_OF_OBJECT.fullmatch(value):
        return Wrapping("base64", "send the JSON itself, not its base64 text")
    if value.startswith(b"{'") or (value.startswith(b"{") and _ASSIGNMENTS.match(value)):
        return Wrapping(
            "the text form of an object", "serialize with json.dumps(event) or another JSON library"
        )
    if _is_protobuf(value):
        return Wrapping("Protobuf", _TO_JSON)
    return _of_map_formats(value)


def of_json(value: bytes) -> Wrapping | None:
    """Name the envelope or encoding of a value that is JSON, but not an event; None if it is not known."""
    try:
        content = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(content, str) and content.lstrip()[:1] == "{":
        return Wrapping(
            "JSON within a JSON string", "serialize once: the object was made text before it was serialized"
        )
    if isinstance(content, list):
        return Wrapping("an array", "send each event as a record of its own")
    if not isinstance(content, dict) or "event_type" in content:
        return None
    names = content.keys()
    if {"schema", "payload"} <= names:
        return Wrapping("Kafka Connect envelope", "set value.converter.schemas.enable=false")
    if {"before", "after", "op"} <= names:
        return Wrapping("Debezium change event", "add the transform ExtractNewRecordState to the connector")
    if "specversion" in names:
        return Wrapping(
            "CloudEvent without an event as JSON in data", "put the event in data as a JSON object"
        )
    return None


def _of_registry_frame(value: bytes) -> Wrapping:
    schema_id, body = int.from_bytes(value[1:REGISTRY_FRAME_BYTES]), value[REGISTRY_FRAME_BYTES:]
    # The Protobuf serializer puts the indexes of the message type in front: 0, or a count and the indexes.
    kind = "Protobuf" if body[:1] == b"\0" and _is_protobuf(body[1:]) else "Avro"
    remedy = f"schema id {schema_id}; use the registry's JSON Schema serializer or a plain JSON one"
    return Wrapping(f"{kind} in a schema registry frame", remedy)


def _is_protobuf(value: bytes) -> bool:
    """Return whether the value, unless it is text, is a sequence of Protobuf fields to its last byte."""
    if value.isascii() and value.decode().isprintable():
        return False
    position = fields = 0
    while position < len(value):
        tag, position = _varint(value, position)
        kind, number = tag & 7, tag >> 3
        if not 1 <= number <= 10_000:
            return False
        if kind == 0:
            _, position = _varint(value, position)
        elif kind == 2:
            length, position = _varint(value, position)
            position += length
        elif kind in {1, 5}:
            position += 8 if kind == 1 else 4
        else:
            return False
        fields += 1
    return fields > 0 and position == len(value)


def _varint(value: bytes, position: int) -> tuple[int, int]:
    """Return a varint and the position after it; one beyond the value if it is cut off or too long."""
    number = 0
    for count, byte in enumerate(value[position : position + 10]):
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return number, position + count + 1
    return 0, len(value) + 1


def _of_map_formats(value: bytes) -> Wrapping | None:
    """Name MessagePack, CBOR and BSON, which begin with a map; the text of a key follows in the first two."""
    if value[:1] in {b"\xde", b"\xdf"} or 0x81 <= value[0] <= 0x8F:
        return Wrapping("MessagePack", _TO_JSON)
    if 0xA1 <= value[0] <= 0xBF:
        return Wrapping("CBOR", _TO_JSON)
    if len(value) > 4 and int.from_bytes(value[:4], "little") == len(value) and value[-1] == 0:
        return Wrapping("BSON", _TO_JSON)
    return None
