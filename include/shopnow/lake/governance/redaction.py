"""What it means to erase a person: which records are theirs, and what is left of these.

Of a record that is theirs, and valid, the customer id becomes a pseudonym, name and address become `erased`, and fields nobody
knows go, as they may hold anything. Figures, times and products stay, so that no KPI changes. Of a record in quarantine that
names them nothing is left but its place and its problem.
"""

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shopnow import schemas
from shopnow.events import Topic
from shopnow.lake.delta.rewrite import Change

ERASED = "erased"
NOTE = b'{"erased":"personal data"}'
"""What a record becomes of which nothing can be kept."""

PERSONAL = ("customer_id", "customer_name", "address")
"""The fields that are of a person."""


class Subject(NamedTuple):
    """Who is erased: their customer id, the ids of their orders, and what takes the customer id's place."""

    customer_id: str
    orders: frozenset[str]
    pseudonym: str


def naming(subject: Subject) -> str:
    """A regular expression that finds their customer id, or the id of one of their orders, in a record's bytes."""
    ids = {text for each in {subject.customer_id, *subject.orders} for text in (each, json.dumps(each)[1:-1])}
    return f"(^|[^0-9A-Za-z_-])({'|'.join(sorted(map(re.escape, ids)))})([^0-9A-Za-z_-]|$)"


def orders(rows: pa.Table, customer_id: str) -> set[str]:
    """The ids of the orders a customer placed, by the valid ones of these rows of `raw/orders`."""
    found = set()
    mentioned = _mentioned(rows, naming(Subject(customer_id, frozenset(), "")))
    for row in (
        rows.filter(pc.and_(mentioned, pc.is_null(rows["problem"])))
        .select(["value", "correction"])
        .to_pylist()
    ):
        event = json.loads(row["value"] if row["correction"] is None else row["correction"])
        if event.get("customer_id") == customer_id:
            found.add(event["order_id"])
    return found


def from_raw(topic: Topic, subject: Subject) -> Change:
    """The change of `raw/{topic}` that erases them."""
    pattern, known = naming(subject), set(schemas.event_fields(topic).names)

    def change(rows: pa.Table) -> pa.Table:
        mentioned = _mentioned(rows, pattern)
        if not pc.any(mentioned).as_py():
            return rows
        columns: dict[str, list[bytes | None]] = {
            name: rows[name].to_pylist() for name in ("key", "value", "correction")
        }
        problems = rows["problem"].to_pylist()
        for number in pc.indices_nonzero(mentioned).to_pylist():
            if columns["key"][number] == subject.customer_id.encode():
                columns["key"][number] = subject.pseudonym.encode()
            value, correction = columns["value"][number], columns["correction"][number]
            if (
                problems[number] is not None or correction is not None
            ):  # a value that was corrected is no event either
                columns["value"][number] = value and NOTE
            elif value is not None:
                columns["value"][number] = _redacted(value, known, subject)
            if correction is not None:
                columns["correction"][number] = _redacted(correction, known, subject)
        for name, values in columns.items():
            rows = _with(rows, name, pa.array(values, pa.binary()))
        return rows

    return change


def from_events(subject: Subject) -> Change:
    """The change of an events table that erases them."""

    def change(rows: pa.Table) -> pa.Table:
        theirs = pa.chunked_array([pa.repeat(False, len(rows))])
        for name, ids in (("customer_id", [subject.customer_id]), ("order_id", list(subject.orders))):
            if name in rows.column_names:
                theirs = pc.or_(theirs, pc.is_in(rows[name], pa.array(ids, pa.string())))
        for name in PERSONAL:
            if name in rows.column_names:
                instead = subject.pseudonym if name == "customer_id" else ERASED
                replaced = pc.and_(theirs, pc.is_valid(rows[name]))
                rows = _with(rows, name, pc.if_else(replaced, pa.scalar(instead), rows[name]))
        return rows

    return change


def has_personal_data(topic: Topic) -> bool:
    """Whether the events of the topic have fields that are of a person."""
    return not set(PERSONAL).isdisjoint(schemas.event_fields(topic).names)


def _mentioned(rows: pa.Table, pattern: str) -> pa.ChunkedArray:
    found = [
        pc.fill_null(pc.match_substring_regex(rows[name], pattern), False)
        for name in ("key", "value", "correction")
    ]
    return pc.or_(found[0], pc.or_(found[1], found[2]))


def _redacted(payload: bytes, known: Collection[str], subject: Subject) -> bytes:
    event: dict[str, Any] = json.loads(payload)
    if event.get("customer_id") != subject.customer_id and event.get("order_id") not in subject.orders:
        return payload
    left = {name: value for name, value in event.items() if name in known}
    instead = {"customer_id": subject.pseudonym, "customer_name": ERASED, "address": ERASED}
    left |= {name: value for name, value in instead.items() if left.get(name) is not None}
    return payload if left == event else json.dumps(left, ensure_ascii=False, separators=(",", ":")).encode()


def _with(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
