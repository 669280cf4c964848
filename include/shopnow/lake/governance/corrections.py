"""Corrected payloads for records in quarantine; an operator supplies them, and all are validated before use.

A file has one correction per line: an object `{"topic", "partition", "offset", "value": {…the event…}}`, with
`topic_id` if the topic was recreated and the offset occurs twice. The payload is the bytes of `value`, so it
is read as a record with these bytes would be.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

import msgspec

from shopnow import validation
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.governance import quarantine
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.quarantine import Corrections
from shopnow.record_problems import split_path
from shopnow.text_format import one_line

MAX_BYTES = 64 << 20
_MAX_ERRORS = 5
"""Maximum number of corrections that an error names."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Line(msgspec.Struct):
    """A correction as an operator writes it."""

    topic: str
    partition: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
    offset: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    value: msgspec.Raw
    topic_id: str | None = None


class Correction(NamedTuple):
    """A corrected payload and the record it replaces."""

    line: int
    """Line number in the file."""
    topic: str
    topic_id: str | None
    partition: int
    offset: int
    payload: bytes

    def __str__(self) -> str:
        return f"line {self.line}, {self.topic}/{self.partition}/{self.offset}"


_decode = msgspec.json.Decoder(_Line).decode


def parse(data: bytes) -> list[Correction]:
    """Parse a file of corrections, and validate their payloads as landing validates records.

    Raises:
        UserError: the file is too large, or names the first lines that are not valid corrections.
    """
    if len(data) > MAX_BYTES:
        raise UserError(f"corrections: at most {MAX_BYTES >> 20} MiB; split the file")
    corrections, errors = [], []
    # Not `splitlines`, which would also split at characters that JSON allows in texts, such as U+2028.
    for number, line in enumerate(data.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), 1):
        if line.strip():
            try:
                corrections.append(_parse_line(number, line))
            except _InvalidCorrection as error:
                errors.append(str(error))
    _raise_if_any(errors)
    return corrections


def encode(corrections: Iterable[Any]) -> bytes:
    """Return corrections that are parsed JSON as a file for `parse`.

    Raises:
        UserError: one of them is nested too deep.
    """
    try:
        return b"\n".join(json.dumps(correction).encode() for correction in corrections)
    except RecursionError:
        raise UserError("corrections: nothing was changed: one of them is nested too deep") from None


def check(lake: str, corrections: Iterable[Correction]) -> dict[str, Corrections]:
    """Match corrections to the records in quarantine, and return their payloads by topic and record id.

    Raises:
        UserError: names the first corrections that do not match exactly one record in quarantine, or match
            the record of an earlier one.
    """
    errors: list[str] = []
    by_topic: dict[str, list[Correction]] = {}
    for correction in corrections:
        by_topic.setdefault(correction.topic, []).append(correction)
    matched: dict[str, Corrections] = {}
    for topic, of_topic in by_topic.items():
        quarantined: dict[tuple[int, int], list[RecordId]] = {}
        for record in quarantine.records(lake, topic):
            quarantined.setdefault(record.record_id[1:], []).append(record.record_id)
        payloads: dict[RecordId, bytes] = {}
        lines: dict[RecordId, int] = {}
        for correction in of_topic:
            records = [
                record_id
                for record_id in quarantined.get((correction.partition, correction.offset), ())
                if correction.topic_id in {None, record_id.topic_id}
            ]
            if len(records) != 1:
                reason = (
                    f"in quarantine under {len(records)} topic ids; add topic_id, one of "
                    + ", ".join(record.topic_id for record in records)
                    if records
                    else "not in quarantine"
                )
                errors.append(f"{correction}: {reason}")
            elif (first := lines.setdefault(records[0], correction.line)) != correction.line:
                errors.append(f"{correction}: line {first} corrects the same record")
            else:
                payloads[records[0]] = correction.payload
        matched[topic] = payloads
    _raise_if_any(errors)
    return matched


class _InvalidCorrection(ValueError):
    """A line that is not a valid correction; the text names it."""


def _parse_line(number: int, data: bytes) -> Correction:
    try:
        data.decode()
        line = _decode(data)
    except UnicodeDecodeError as error:
        raise _InvalidCorrection(f"line {number}: not UTF-8 (byte {error.start} of the line)") from None
    except RecursionError:
        raise _InvalidCorrection(f"line {number}: nested too deep") from None
    except msgspec.ValidationError as error:
        raise _InvalidCorrection(f"line {number}: {_describe(str(error))}") from None
    except msgspec.DecodeError as error:
        raise _InvalidCorrection(f"line {number}: not JSON ({error})") from None
    topic = TOPICS.get(line.topic)
    if topic is None:
        raise _InvalidCorrection(f"line {number}: no topic {line.topic!r}; topics are {', '.join(TOPICS)}")
    correction = Correction(number, line.topic, line.topic_id, line.partition, line.offset, bytes(line.value))
    checked = validation.check_record(topic.decoder().decode, correction.payload)
    if checked.problem:
        raise _InvalidCorrection(f"{correction}: {checked.problem}")
    return correction._replace(payload=checked.payload or correction.payload)


def _describe(message: str) -> str:
    """Return msgspec's message with the field first."""
    what, path = split_path(message)
    text = what.replace("`", "")
    return f"{path}: {text[0].lower()}{text[1:]}" if path else text


def _raise_if_any(errors: list[str]) -> None:
    if errors:
        more = f"; and {len(errors) - _MAX_ERRORS} more" if len(errors) > _MAX_ERRORS else ""
        shown = "; ".join(one_line(error, max_length=300) for error in errors[:_MAX_ERRORS])
        raise UserError(f"corrections: nothing was changed: {shown}{more}")
