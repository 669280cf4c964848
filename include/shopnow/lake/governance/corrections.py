"""Corrected payloads for records in quarantine; an operator supplies them, and all are validated before use.

A correction is an object `{"topic", "partition", "offset", "value": {…the event…}}`, with `topic_id` if the
topic was recreated and the offset occurs twice.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shopnow import validation
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.governance import quarantine
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.quarantine import Corrections

_FIELDS = {"topic": str, "partition": int, "offset": int, "value": dict}
_TYPE_NAMES = {str: "string", int: "integer", dict: "object"}


def parse(text: str) -> list[Any]:
    """Parse JSON Lines.

    Raises:
        UserError: a line is not JSON.
    """
    values = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except ValueError as error:
                raise UserError(f"corrections, line {number}: not JSON ({error})") from None
    return values


def check(lake: str, corrections: Iterable[Any]) -> dict[str, Corrections]:
    """Validate corrections, and return their payloads by topic and record id.

    Raises:
        UserError: names each correction that is malformed, whose payload is not a valid event, or that does
            not match exactly one record in quarantine.
    """
    errors: list[str] = []
    payloads: dict[str, dict[tuple, bytes]] = {}
    for number, correction in enumerate(corrections, 1):
        if error := _format_error(correction):
            errors.append(f"correction {number}: {error}")
            continue
        topic, partition, offset = correction["topic"], correction["partition"], correction["offset"]
        payload = json.dumps(correction["value"], ensure_ascii=False, separators=(",", ":")).encode()
        decode = TOPICS[topic].decoder().decode
        checked = validation.check_record(decode, payload)
        if checked.problem:
            errors.append(f"correction {number}, {topic}/{partition}/{offset}: {checked.problem}")
        payloads.setdefault(topic, {})[correction.get("topic_id"), partition, offset] = (
            checked.payload or payload
        )
    matched: dict[str, Corrections] = {}
    for topic, of_topic in payloads.items():
        quarantined = [record.record_id for record in quarantine.records(lake, topic)]
        matched[topic], unmatched = _match(of_topic, quarantined)
        errors += [f"{topic}/{partition}/{offset}: not in quarantine" for partition, offset in unmatched]
    if errors:
        raise UserError(f"nothing was changed: {'; '.join(errors)}")
    return matched


def _format_error(correction: Any) -> str | None:
    if not isinstance(correction, Mapping):
        return "not an object"
    for name, type_ in _FIELDS.items():
        if not isinstance(correction.get(name), type_) or isinstance(correction[name], bool):
            return f"{name!r} is missing or not of type {_TYPE_NAMES[type_]}"
    return None if correction["topic"] in TOPICS else f"no topic {correction['topic']!r}"


def _match(
    payloads: Mapping[tuple, bytes], quarantined: Sequence[RecordId]
) -> tuple[Corrections, list[tuple[int, int]]]:
    """Match payloads to records in quarantine.

    Returns:
        Payloads by record id, and partition and offset of payloads that match no record or several.
    """
    matched: dict[RecordId, bytes] = {}
    unmatched = []
    for (topic_id, partition, offset), payload in payloads.items():
        matches = [
            record_id
            for record_id in quarantined
            if record_id[1:] == (partition, offset) and topic_id in {None, record_id.topic_id}
        ]
        if len(matches) == 1:
            matched[matches[0]] = payload
        else:
            unmatched.append((partition, offset))
    return matched, unmatched
