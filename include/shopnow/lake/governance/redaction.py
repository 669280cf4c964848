"""Redaction of a customer's personal data: which records are theirs and what remains of them.

In a valid record of the customer, the customer id becomes a pseudonym, name and address become `erased`, and
unknown fields are removed, as they may hold anything. Amounts, times and products stay, so no KPI changes. Of
a record in quarantine that mentions the customer, only its record id and the reason remain.
"""

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shopnow import schemas, validation
from shopnow.events import Topic
from shopnow.lake.delta.rewrite import RowTransform
from shopnow.lake.governance.hidden_texts import hidden_texts
from shopnow.schemas import PAYLOADS

ERASED = "erased"
NOTE = b'{"erased":"personal data"}'
"""Payload of a record whose content cannot be kept."""

_REDACTED = ("key", "headers", *PAYLOADS)

_ESCAPES = re.compile(r'\\(?:u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*|["\\/bfnrt])')
_MAX_ESCAPES = 3
"""Levels of JSON within JSON strings that are decoded."""

_ENCODED = r"\\|[\xcc-\xff]"
"""Matches bytes whose decoded text may differ: escapes, and letters that are not in normal form."""

PERSONAL = ("customer_id", "customer_name", "address")
"""Fields with personal data."""


class Subject(NamedTuple):
    """The customer to erase: customer id, ids of their orders, and the pseudonym that replaces it."""

    customer_id: str
    orders: frozenset[str]
    pseudonym: str


def mention_pattern(subject: Subject) -> str:
    """Return a regular expression that matches the customer id or an order id in a record's decoded text."""
    ids = "|".join(sorted(map(re.escape, {subject.customer_id, *subject.orders})))
    return f"(^|[^0-9A-Za-z_-])({ids})([^0-9A-Za-z_-]|$)"


def decoded_text(value: bytes) -> str:
    """Return the text of any bytes with JSON's escapes resolved, in normal form C."""
    text = value.decode(errors="replace")
    for _ in range(_MAX_ESCAPES):
        if "\\" not in text:
            break
        text = _ESCAPES.sub(lambda escapes: json.loads(f'"{escapes[0]}"'), text)
    return unicodedata.normalize("NFC", text)


def order_ids(rows: pa.Table, customer_id: str) -> set[str]:
    """Return the ids of the customer's orders in the valid rows among these of `raw/orders`."""
    ids, valid = set(), rows.filter(pc.is_null(rows["problem"]))
    is_mentioned = _mentions(valid, mention_pattern(Subject(customer_id, frozenset(), "")))
    for row in valid.filter(is_mentioned).select(PAYLOADS).to_pylist():
        event = json.loads(next(row[name] for name in PAYLOADS if row[name] is not None))
        if _normalized(event.get("customer_id")) == customer_id:
            ids.add(_normalized(event["order_id"]))
    return ids


def redact_raw(topic: Topic, subject: Subject) -> RowTransform:
    """Return the transform of `raw/{topic}` that erases the customer."""
    pattern, known_fields = mention_pattern(subject), set(schemas.event_fields(topic).names)
    compiled = re.compile(pattern)

    def change(rows: pa.Table) -> pa.Table:
        is_mentioned = _mentions(rows, pattern)
        if not pc.any(is_mentioned).as_py():
            return rows
        columns: dict[str, list[Any]] = {name: rows[name].to_pylist() for name in _REDACTED}
        problems = rows["problem"].to_pylist()
        for index in pc.indices_nonzero(is_mentioned).to_pylist():
            key = columns["key"][index]
            if key is not None and decoded_text(key) == subject.customer_id:
                columns["key"][index] = subject.pseudonym.encode()
            columns["headers"][index] = _redact_headers(columns["headers"][index], compiled)
            # The event is in the first of these; what it replaces is not a valid event either.
            event = next((name for name in PAYLOADS if columns[name][index] is not None), None)
            for name in PAYLOADS:
                value = columns[name][index]
                if value is None:
                    continue
                if problems[index] is None and name == event:
                    columns[name][index] = _redact(value, known_fields, subject)
                else:
                    columns[name][index] = value and NOTE
            if problems[index] is not None:
                # The detail may quote the record.
                problems[index] = compiled.sub(rf"\1{ERASED}\3", validation.reason_of(problems[index]))
        for name, values in {**columns, "problem": problems}.items():
            rows = _set_column(rows, name, pa.array(values, rows.schema.field(name).type))
        return rows

    return change


def redact_events(subject: Subject) -> RowTransform:
    """Return the transform of an events table that erases the customer."""

    def change(rows: pa.Table) -> pa.Table:
        is_subject = pa.chunked_array([pa.repeat(False, len(rows))])
        if "order_id" in rows.column_names:
            is_subject = pc.is_in(rows["order_id"], pa.array(list(subject.orders), pa.string()))
        if "customer_id" in rows.column_names:
            # Null if the event names no customer. One that does is theirs, whoever else used the order's id.
            is_subject = pc.coalesce(pc.equal(rows["customer_id"], subject.customer_id), is_subject)
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
    """Return a mask of the rows that mention the customer in key, headers, value or what replaces it.

    Headers, and in quarantine also key and value, are looked into, as they may be compressed or encoded.
    """
    mask = pa.chunked_array([pa.repeat(False, len(rows))])
    for name in ("key", *PAYLOADS):
        mask = pc.or_(mask, _matches(rows[name], pattern))
    headers = rows["headers"].combine_chunks()
    header_values = pc.struct_field(pc.list_flatten(headers), "value")
    found = pc.or_(_matches(header_values, pattern), _hides(header_values, re.compile(pattern)))
    indices = pc.unique(pc.list_parent_indices(headers).filter(found))
    mask = pc.or_(mask, pc.is_in(pa.array(range(len(rows)), pa.int64()), indices.cast(pa.int64())))
    return pc.or_(mask, _mentions_hidden(rows, pc.and_not(pc.is_valid(rows["problem"]), mask), pattern))


def _mentions_hidden(rows: pa.Table, candidates: pa.ChunkedArray, pattern: str) -> pa.Array:
    """Return a mask of those candidates whose value or key hides the mention in another encoding."""
    compiled, mask = re.compile(pattern), [False] * len(rows)
    for index in pc.indices_nonzero(candidates).to_pylist():
        values = (rows[name][index].as_py() for name in ("value", "key"))
        mask[index] = any(_is_hidden_in(value, compiled) for value in values if value)
    return pa.array(mask, pa.bool_())


def _hides(values: pa.Array, pattern: re.Pattern[str]) -> pa.Array:
    """Return a mask of the values that hide a match in another encoding; few of them are different."""
    found = [value for value in pc.unique(values.drop_null()).to_pylist() if _is_hidden_in(value, pattern)]
    return pc.is_in(values, pa.array(found, values.type))


def _is_hidden_in(value: bytes, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(decoded_text(text)) for text in hidden_texts(value))


def _matches(values: pa.Array | pa.ChunkedArray, pattern: str) -> pa.Array | pa.ChunkedArray:
    """Return a mask of the values whose decoded text matches the pattern."""
    is_match = pc.fill_null(pc.match_substring_regex(values, pattern), False)
    may_decode = pc.fill_null(pc.match_substring_regex(values, _ENCODED), False)
    if not pc.any(may_decode).as_py():
        return is_match
    compiled, mask = re.compile(pattern), is_match.to_pylist()
    for index in pc.indices_nonzero(pc.and_not(may_decode, is_match)).to_pylist():
        mask[index] = compiled.search(decoded_text(values[index].as_py())) is not None
    return pa.array(mask, pa.bool_())


def _redact_headers(
    headers: list[dict[str, Any]] | None, pattern: re.Pattern[str]
) -> list[dict[str, Any]] | None:
    return headers and [
        header | {"value": ERASED.encode()}
        if header["value"] is not None
        and (pattern.search(decoded_text(header["value"])) or _is_hidden_in(header["value"], pattern))
        else header
        for header in headers
    ]


def _normalized(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _redact(payload: bytes, known_fields: Collection[str], subject: Subject) -> bytes:
    event: dict[str, Any] = json.loads(payload)
    customer_id = _normalized(event.get("customer_id"))
    is_subject = (
        _normalized(event.get("order_id")) in subject.orders
        if customer_id is None
        else customer_id == subject.customer_id
    )
    if not is_subject:
        return payload
    redacted = {name: value for name, value in event.items() if name in known_fields}
    replacements = {"customer_id": subject.pseudonym, "customer_name": ERASED, "address": ERASED}
    redacted |= {name: value for name, value in replacements.items() if redacted.get(name) is not None}
    if redacted == event:
        return payload
    return json.dumps(redacted, ensure_ascii=False, separators=(",", ":")).encode()


def _set_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
