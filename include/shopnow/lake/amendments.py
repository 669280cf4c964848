"""Amendments: rows of raw that were changed or removed otherwise than by landing, each in one commit that says so.

The commit's metadata tells which records, why and by whom, and how the digest of each partition changed, so that receipts
and rows can still be compared: Σ receipts − Σ removed + Σ added = digest of the rows.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from shopnow.lake.digest import NOTHING, Digest

METADATA_KEY = "amendment"


class Kind(StrEnum):
    REPLAY = "replay"
    """Records left the quarantine: they are new to whoever reads valid records."""
    ERASURE = "erasure"
    """Personal data was taken out of records; they say the same otherwise, so nothing is new."""
    EXPIRY = "expiry"
    """Records were removed by retention."""


class Place(NamedTuple):
    """Where a record is, or was, in Kafka."""

    topic_id: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """What was taken away from and put into the rows of a partition; `expired_below`: the offset below which retention removed them."""

    topic_id: str
    partition: int
    removed: Digest = NOTHING
    added: Digest = NOTHING
    expired_below: int | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """One such commit."""

    kind: Kind
    reason: str
    by: str
    parts: Sequence[Part] = ()
    replayed: Sequence[Place] = ()


def dumps(amendment: Amendment) -> str:
    """The amendment as JSON, for the commit's metadata."""
    partitions = [
        {
            "topic_id": part.topic_id,
            "partition": part.partition,
            "rows_removed": part.removed.rows,
            "digest_removed": str(part.removed),
            "rows_added": part.added.rows,
            "digest_added": str(part.added),
            "expired_below": part.expired_below,
        }
        for part in amendment.parts
    ]
    content = asdict(amendment) | {"partitions": partitions}
    del content["parts"]
    return json.dumps(content, separators=(",", ":"))


def loads(text: str) -> Amendment:
    """The amendment that `dumps` made this of."""
    content: dict[str, Any] = json.loads(text)
    parts = [
        Part(
            part["topic_id"],
            part["partition"],
            Digest.parse(part["rows_removed"], part["digest_removed"]),
            Digest.parse(part["rows_added"], part["digest_added"]),
            part["expired_below"],
        )
        for part in content["partitions"]
    ]
    return Amendment(Kind(content["kind"]), content["reason"], content["by"], parts, [Place(*place) for place in content["replayed"]])


def read(actions: Iterable[dict[str, Any]]) -> Amendment | None:
    """The amendment that a commit of the log is, if it is one."""
    for action in actions:
        if text := action.get("commitInfo", {}).get(METADATA_KEY):
            return loads(text)
    return None
