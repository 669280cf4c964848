"""Redaction of a customer's personal data: which records are theirs and what remains of them.

In a valid record of the customer, the customer id becomes a pseudonym, name and address become `erased`, and
unknown fields are removed, as they may hold anything. Amounts, times and products stay, so no KPI changes. Of
a record in quarantine that mentions the customer, only its record id and its problem remain.
"""

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shopnow import schemas
from shopnow.events import Topic
from shopnow.lake.delta.rewrite import RowTransform

ERASED = "erased"
NOTE = b'{"erased":"personal data"}'
"""Payload of a record whose content cannot be kept."""

PERSONAL = ("customer_id", "customer_name", "address")
"""Fields with personal data."""


class Subject(NamedTuple):
    """The customer to erase: customer id, ids of their orders, and the pseudonym that replaces it."""

    customer_id: str
    orders: frozenset[str]
    pseudonym: str


def mention_pattern(subject: Subject) -> str:
    """Return a regular expression that matches the customer id or an order id in a record's bytes."""
    ids = {text for id_ in {subject.customer_id, *subject.orders} for text in (id_, json.dumps(id_)[1:-1])}
    return f"(^|[^0-9A-Za-z_-])({'|'.join(sorted(map(re.escape, ids)))})([^0-9A-Za-z_-]|$)"


def order_ids(rows: pa.Table, customer_id: str) -> set[str]:
    """Return the ids of the customer's orders in the valid rows among these of `raw/orders`."""
    ids = set()
    is_mentioned = _mentions(rows, mention_pattern(Subject(customer_id, frozenset(), "")))
    candidates = rows.filter(pc.and_(is_mentioned, pc.is_null(rows["problem"])))
    for row in candidates.select(["value", "correction"]).to_pylist():
        event = json.loads(row["value"] if row["correction"] is None else row["correction"])
        if event.get("customer_id") == customer_id:
            ids.add(event["order_id"])
    return ids


def redact_raw(topic: Topic, subject: Subject) -> RowTransform:
    """Return the transform of `raw/{topic}` that erases the customer."""
    pattern, known_fields = mention_pattern(subject), set(schemas.event_fields(topic).names)

    def change(rows: pa.Table) -> pa.Table:
        is_mentioned = _mentions(rows, pattern)
        if not pc.any(is_mentioned).as_py():
            return rows
        columns: dict[str, list[bytes | None]] = {
            name: rows[name].to_pylist() for name in ("key", "value", "correction")
        }
        problems = rows["problem"].to_pylist()
        for index in pc.indices_nonzero(is_mentioned).to_pylist():
            if columns["key"][index] == subject.customer_id.encode():
                columns["key"][index] = subject.pseudonym.encode()
            value, correction = columns["value"][index], columns["correction"][index]
            # A corrected value is not a valid event either.
            if problems[index] is not None or correction is not None:
                columns["value"][index] = value and NOTE
            elif value is not None:
                columns["value"][index] = _redact(value, known_fields, subject)
            if correction is not None:
                columns["correction"][index] = _redact(correction, known_fields, subject)
        for name, values in columns.items():
            rows = _set_column(rows, name, pa.array(values, pa.binary()))
        return rows

    return change


def redact_events(subject: Subject) -> RowTransform:
    """Return the transform of an events table that erases the customer."""

    def change(rows: pa.Table) -> pa.Table:
        is_subject = pa.chunked_array([pa.repeat(False, len(rows))])
        for name, ids in (("customer_id", [subject.customer_id]), ("order_id", list(subject.orders))):
            if name in rows.column_names:
                is_subject = pc.or_(is_subject, pc.is_in(rows[name], pa.array(ids, pa.string())))
        for name in PERSONAL:
            if name in rows.column_names:
                replacement = subject.pseudonym if name == "customer_id" else ERASED
                is_replaced = pc.and_(is_subject, pc.is_valid(rows[name]))
                rows = _set_column(rows, name, pc.if_else(is_replaced, pa.scalar(replacement), rows[name]))
        return rows

    return change


def has_personal_data(topic: Topic) -> bool:
    """Return whether events of the topic have fields with personal data."""
    return not set(PERSONAL).isdisjoint(schemas.event_fields(topic).names)


def _mentions(rows: pa.Table, pattern: str) -> pa.ChunkedArray:
    """Return a mask of the rows whose key, value or correction matches the pattern."""
    key, value, correction = (
        pc.fill_null(pc.match_substring_regex(rows[name], pattern), False)
        for name in ("key", "value", "correction")
    )
    return pc.or_(key, pc.or_(value, correction))


def _redact(payload: bytes, known_fields: Collection[str], subject: Subject) -> bytes:
    event: dict[str, Any] = json.loads(payload)
    if event.get("customer_id") != subject.customer_id and event.get("order_id") not in subject.orders:
        return payload
    redacted = {name: value for name, value in event.items() if name in known_fields}
    replacements = {"customer_id": subject.pseudonym, "customer_name": ERASED, "address": ERASED}
    redacted |= {name: value for name, value in replacements.items() if redacted.get(name) is not None}
    if redacted == event:
        return payload
    return json.dumps(redacted, ensure_ascii=False, separators=(",", ":")).encode()


def _set_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
