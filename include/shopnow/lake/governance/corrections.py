"""Corrected payloads for records in quarantine, as an operator gives them, checked before any of them is used.

One is an object `{"topic", "partition", "offset", "value": {…the event…}}`, with `topic_id` where the topic was recreated and
the offset is there twice.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from shopnow import validation
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.governance import quarantine
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.quarantine import Corrections

_FIELDS = {"topic": str, "partition": int, "offset": int, "value": dict}


def parse(text: str) -> list[Any]:
    """JSON lines as values.

    Raises:
        UserError: a line is not JSON.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise UserError(f"corrections, line {number}: not JSON ({error})") from None
    return found


def check(lake: str, given: Iterable[Any]) -> dict[str, Corrections]:
    """The corrections by topic and place; those of records that have left the quarantine already are left out.

    Raises:
        UserError: names each that is no correction, whose payload is no valid event of its topic, or that no record is for.
    """
    complaints: list[str] = []
    payloads: dict[str, dict[tuple, bytes]] = {}
    for number, each in enumerate(given, 1):
        if complaint := _malformed(each):
            complaints.append(f"correction {number}: {complaint}")
            continue
        payload = json.dumps(each["value"], ensure_ascii=False, separators=(",", ":")).encode()
        decode = TOPICS[each["topic"]].decoder().decode
        if found := validation.check_records(decode, [payload], pa.array([payload])).problems:
            complaints.append(
                f"correction {number}, {each['topic']}/{each['partition']}/{each['offset']}: {found[0]}"
            )
        payloads.setdefault(each["topic"], {})[each.get("topic_id"), each["partition"], each["offset"]] = (
            payload
        )
    found_places: dict[str, Corrections] = {}
    for topic, wanted in payloads.items():
        places = [record.place for record in quarantine.records(lake, topic)]
        found_places[topic], missing = _placed(wanted, places)
        complaints += [f"{topic}/{partition}/{offset}: not in quarantine" for partition, offset in missing]
    if complaints:
        raise UserError(f"nothing was changed: {'; '.join(complaints)}")
    return found_places


def _malformed(given: Any) -> str | None:
    if not isinstance(given, Mapping):
        return "not an object"
    for name, kind in _FIELDS.items():
        if not isinstance(given.get(name), kind) or isinstance(given[name], bool):
            return f"no {name}, or not of its kind"
    return None if given["topic"] in TOPICS else f"no topic {given['topic']!r}"


def _placed(
    wanted: Mapping[tuple, bytes], places: Iterable[RecordId]
) -> tuple[Corrections, list[tuple[int, int]]]:
    """The payloads by the places in quarantine that they are for; and partition and offset of those that are for none, or for several."""
    places = list(places)
    found: dict[RecordId, bytes] = {}
    missing = []
    for (topic_id, partition, offset), payload in wanted.items():
        matches = [
            place
            for place in places
            if place[1:] == (partition, offset) and topic_id in {None, place.topic_id}
        ]
        if len(matches) == 1:
            found[matches[0]] = payload
        else:
            missing.append((partition, offset))
    return found, missing
