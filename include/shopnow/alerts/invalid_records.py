"""The share of invalid records among a topic's newest landings: who sent them, why they are invalid, samples.

Everything lands, invalid records in quarantine, so their share is known from the receipts of the landing
commits. The records themselves are read only if the share is at the limit. Messages leave the lake, so
samples keep a record's structure and the names of the event definitions, and mask everything else.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from deltalake import DeltaTable

from shopnow import schemas, validation
from shopnow.alerts.model import Observation
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.settings import Settings
from shopnow.text_format import excerpt, one_line

DEFAULT_LIMIT: float = Settings.model_fields["quarantine_limit"].default

MAX_LANDINGS = 10
"""Number of a topic's newest landing commits whose records are counted."""
MAX_AGE = timedelta(days=1)
"""Age from which landings no longer count."""
MIN_INVALID = 10
"""Fewer invalid records than this are never over the limit, whatever their share."""

PRODUCER_HEADERS = ("producer", "client.id", "client_id", "ce_source", "source", "application", "app")
"""Record headers that name the producer, in lower case; Kafka does not keep the client id of a record."""

MAX_RECORDS = 10_000
"""Number of invalid records whose reasons and producers are counted."""
_MAX_NAMES = 3
_MAX_SAMPLES = 2
_SAMPLE_BYTES = 120
_MAX_FACTS = 900

Row = dict[str, Any]


class _Landings(NamedTuple):
    """Totals of the newest landings of a topic, and what they read from each partition."""

    since: datetime
    records: int
    invalid: int
    ranges: list[tuple[str, int, int, int]]
    """Topic id, partition, start and end offset of each receipt with invalid records."""


def read_rows(lake: str, limit: float, now: datetime) -> list[Row]:
    """Return a row per topic that has landed lately.

    Args:
        limit: share of invalid records from which on they are described.
    """
    rows = []
    for topic in TOPICS:
        raw = Table(lake, f"raw/{topic}").open_if_exists()
        landings = None if raw is None else _newest_landings(raw, now)
        if raw is not None and landings is not None:
            rows.append(
                {
                    "topic": topic,
                    "limit": limit,
                    **landings._asdict(),
                    "description": _describe(topic, raw, landings) if _is_over(landings, limit) else "",
                }
            )
    return rows


def share_of_quarantine_limit(metric: str, rows: Sequence[Row], now: datetime) -> list[Observation]:
    """Return the share of invalid records of each topic, divided by the limit."""
    observations = []
    for row in rows:
        share = row["invalid"] / row["records"] if row["records"] else 0.0
        value = 0.0
        if row["invalid"] >= MIN_INVALID:
            value = share / row["limit"] if row["limit"] else 1.0
        facts = (
            f"{row['invalid']:,} of {row['records']:,} records landed since {row['since']:%H:%M} UTC are "
            f"invalid ({share:.0%}, limit {row['limit']:.0%})"
        )
        if row["description"]:
            facts = f"{facts}; {row['description']}"
        observations.append(
            Observation(
                metric,
                row["topic"],
                f"topic {row['topic']}",
                value,
                row["since"],
                one_line(facts, max_length=_MAX_FACTS),
            )
        )
    return observations


def mask(value: bytes) -> str:
    """Return the start of a record's value, with all words masked that the event definitions do not have.

    Letters become x and digits 0: the structure shows what is wrong, and no text of a customer leaves the
    lake.
    """
    return re.sub(r"\w+", lambda word: _mask_word(word[0]), excerpt(value, _SAMPLE_BYTES))


def _mask_word(word: str) -> str:
    return word if word in _KNOWN_WORDS else "".join("0" if letter.isdigit() else "x" for letter in word)


def _is_over(landings: _Landings, limit: float) -> bool:
    return landings.invalid >= MIN_INVALID and landings.invalid >= limit * landings.records


def _newest_landings(raw: DeltaTable, now: datetime) -> _Landings | None:
    """Return the totals of the newest landings; None if there are none."""
    since, records, invalid = now, 0, 0
    ranges: list[tuple[str, int, int, int]] = []
    for commit in raw.history(MAX_LANDINGS):
        at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
        if RECEIPTS.key not in commit or now - at > MAX_AGE:
            continue
        since = min(since, at)
        receipt = msgspec.json.decode(commit[RECEIPTS.key])
        for part in receipt["partitions"]:
            records += part["rows"]
            invalid += part["quarantined"]
            if part["quarantined"]:
                ranges.append(
                    (receipt["topic_id"], part["partition"], part["start_offset"], part["end_offset"])
                )
    return _Landings(since, records, invalid, ranges) if records else None


def _describe(topic: str, raw: DeltaTable, landings: _Landings) -> str:
    """Return producers, reasons and samples of the invalid records, in words of a bounded length."""
    producers: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    samples: dict[str, tuple[str, int, int]] = {}
    """The first record of each reason."""
    for row in _invalid_rows(raw, landings):
        producers[_producer(row["headers"])] += 1
        reason = validation.reason_of(row["problem"])
        reasons[reason] += 1
        samples.setdefault(reason, (row["topic_id"], row["partition"], row["offset"]))
    if not reasons:
        return "they have been replayed or erased"
    shown = [_sample(topic, raw, reason, samples[reason]) for reason, _ in reasons.most_common(_MAX_SAMPLES)]
    return (
        f"producers: {_counts(producers)}; reasons: {_counts(reasons)}; samples, masked: {'; '.join(shown)}"
    )


def _invalid_rows(raw: DeltaTable, landings: _Landings) -> Iterator[Row]:
    """Yield the first invalid records of the landings, without their values."""
    columns = ["topic_id", "partition", "offset", "headers", "problem"]
    left = MAX_RECORDS
    for topic_id, partition, start, end in landings.ranges:
        predicate = (
            f"problem IS NOT NULL AND topic_id = '{topic_id}' AND partition = {partition} "
            f'AND "offset" >= {start} AND "offset" < {end}'
        )
        for batch in tables.batches(raw, columns, predicate):
            yield from batch.slice(0, left).to_pylist()
            left -= min(left, len(batch))
            if not left:
                return


def _sample(topic: str, raw: DeltaTable, reason: str, record: tuple[str, int, int]) -> str:
    topic_id, partition, offset = record
    predicate = f"topic_id = '{topic_id}' AND partition = {partition} AND \"offset\" = {offset}"
    values = tables.read(raw, ["value"], predicate)["value"].to_pylist()
    text = mask(values[0]) if values and values[0] is not None else "no value"
    return f"{topic}/{partition}/{offset} ({_short(reason)}) {text}"


def _producer(headers: Sequence[Row] | None) -> str:
    """Return the name in the headers that name a producer."""
    values = {str(header["key"]).lower(): header["value"] for header in headers or ()}
    for name in PRODUCER_HEADERS:
        if values.get(name):
            return _short(values[name].decode(errors="replace"))
    return "unknown (no header names it)"


def _counts(counts: Counter[str]) -> str:
    parts = [f"{_short(name)} {count:,}" for name, count in counts.most_common(_MAX_NAMES)]
    more = [f"{len(counts) - _MAX_NAMES} more"] if len(counts) > _MAX_NAMES else []
    return ", ".join(parts + more)


def _short(text: str) -> str:
    return one_line(text, max_length=60)


def _names(type_: pa.DataType) -> Iterator[str]:
    """Yield the names of the fields of a type, nested ones too."""
    if pa.types.is_list(type_):
        yield from _names(type_.value_type)
    elif pa.types.is_struct(type_):
        for field in type_:
            yield field.name
            yield from _names(field.type)


_KNOWN_WORDS = frozenset(
    {"true", "false", "null"}
    | {str(type_.__struct_config__.tag) for topic in TOPICS.values() for type_ in topic.types}
    | {name for topic in TOPICS.values() for name in _names(pa.struct(list(schemas.event_fields(topic))))}
)
