"""The texts of problems: why a record's value is not an event, with the limit or code that was expected."""

import re
from contextlib import suppress
from typing import Any

import msgspec

from shopnow import wrappings

MAX_EVENT_BYTES = 1 << 20
MAX_DEPTH = 500
"""Levels of arrays and objects in a record; some readers stop at 1,000, some at the end of their stack."""

MAX_NUMBER_LENGTH, MAX_NAME_LENGTH = 1000, 50_000
"""Spark's JSON parser rejects a record with a longer number or name in any field, even an unknown one."""

_MAX_MESSAGE_LENGTH = 200
"""Characters kept of the decoder's message, which quotes the invalid value."""

_LONG_NUMBER = re.compile(rb"[:,\[\s][-+0-9.eE]{%d}" % MAX_NUMBER_LENGTH)
# Possessive, and up to the end if it is not closed: otherwise each of many quotes costs a scan of the rest.
_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?+(\s*+:)?+', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)

# A path has only names of our own and indexes, so that a text which the message quotes cannot look like one.
_PATH = re.compile(r" - at `\$\.?([\w.\[\]]*)`\Z")
_MISSING = re.compile(r"^Object missing required field `(.*)`$")
_LIMIT = re.compile(r"^Expected `\w+(?: \| null)?`(?P<length> of length)? (?P<sign><=|>=) (?P<limit>.+)$")
_POSITION = re.compile(r" \((byte \d+)\)$")
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]")
_CODES = {
    "currency": "an ISO 4217 code in upper case, such as EUR",
    "country": "an ISO 3166-1 code of two upper-case letters, such as FR",
}


class InvalidRecord(ValueError):
    """A record that fails a check; the text is the problem."""


def check_sizes(value: bytes | None) -> bytes:
    """Return the value if readers can parse one of its size.

    Raises:
        InvalidRecord: it is missing, empty, too large or too deep, or has too long a number or name.
    """
    if value is None:
        raise InvalidRecord("no value")
    if not value:
        raise InvalidRecord("empty value")
    if len(value) > MAX_EVENT_BYTES:
        raise InvalidRecord(f"too large (at most {MAX_EVENT_BYTES} bytes, has {len(value)})")
    if len(value) > MAX_NUMBER_LENGTH:
        # A number is between two quotes; splitting by them is five times as fast as the expression.
        if max(map(len, value.split(b'"'))) > MAX_NUMBER_LENGTH and _LONG_NUMBER.search(value):
            raise InvalidRecord(f"number too long (over {MAX_NUMBER_LENGTH} characters)")
        if len(value) > MAX_NAME_LENGTH and _has_long_name(value):
            raise InvalidRecord(f"field name too long (over {MAX_NAME_LENGTH} bytes)")
    # Brackets that are never closed are deep in a short value, too.
    if len(value) > MAX_DEPTH and value.count(b"[") + value.count(b"{") > MAX_DEPTH and _is_too_deep(value):
        raise InvalidRecord(f"invalid JSON (nested too deep, at most {MAX_DEPTH} levels)")
    return value


def has_readable_sizes(value: bytes | None) -> bool:
    """Return whether `check_sizes` accepts the value."""
    try:
        check_sizes(value)
    except InvalidRecord:
        return False
    return True


def describe(error: Exception, body: bytes) -> str:
    """Return the problem of a record whose JSON could not be decoded as an event.

    Args:
        error: what the decoder raised.
        body: the value without its framing.
    """
    if isinstance(error, InvalidRecord):
        return str(error)
    if isinstance(error, OverflowError):
        return f"out of range: {error} (not between the years 1 and 9999 in UTC)"
    if isinstance(error, UnicodeDecodeError):
        return str(wrappings.of_bytes(body) or f"invalid UTF-8 (byte {error.start})")
    if isinstance(error, msgspec.ValidationError):
        return _syntax_error(body) or str(wrappings.of_json(body) or "") or _invalid(str(error), body)
    if isinstance(error, msgspec.DecodeError):
        return _malformed(str(error), body)
    return unreadable(error)


def unreadable(error: Exception) -> str:
    """Return the problem of a record that caused an unforeseen error."""
    return f"unreadable ({type(error).__name__})"


def split_path(message: str) -> tuple[str, str | None]:
    """Return the start of a message of the decoder, and the path it names, such as `items[3].quantity`."""
    path = _PATH.search(message)
    what = message[: path.start()] if path else message
    return what[:_MAX_MESSAGE_LENGTH], path[1] if path else None


def _has_long_name(value: bytes) -> bool:
    return any(
        string[2] is not None and string.end(1) - string.start(1) >= MAX_NAME_LENGTH
        for string in _STRING.finditer(value)
    )


def _is_too_deep(value: bytes) -> bool:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", value)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _syntax_error(body: bytes) -> str | None:
    """Return the JSON error after the first invalid field, which says more than that field; None if none."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        return _malformed(str(error), body)
    return None


def _malformed(message: str, body: bytes) -> str:
    if wrapping := wrappings.of_bytes(body):
        return str(wrapping)
    if surrogate := _LONE_SURROGATE.search(body):
        return f"invalid JSON (half of a surrogate pair {surrogate[0].decode()}, byte {surrogate.start()})"
    detail = _POSITION.sub(r", \1", message.removeprefix("JSON is malformed: "))
    return f"invalid JSON ({detail[0].lower()}{detail[1:]})"


def _invalid(message: str, body: bytes) -> str:
    what, path = split_path(message)
    field = _INDEX.sub("[]", path) if path else "record"
    if missing := _MISSING.match(what):
        return f"missing field: {missing[1] if field == 'record' else f'{field}.{missing[1]}'}"
    detail = what[0].lower() + what[1:].replace("`", "")
    if field == "event_type" and what.startswith("Invalid value"):
        return f"unknown event type ({detail.removeprefix('invalid value ')})"
    if ", got " in what or field == "event_type":
        return f"wrong type: {field} ({detail})"
    if what.startswith("Invalid enum value") and field in _CODES:
        code = what.removeprefix("Invalid enum value ")
        return f"invalid value: {field} (expected {_CODES[field]}, has {code})"
    if path and (limit := _LIMIT.match(what)):
        # Another field may have a number that only the decoder of events, which skips it, accepts.
        with suppress(msgspec.MsgspecError):
            return f"invalid value: {field} ({_exceeded(limit, _value_at(body, path))})"
    return f"invalid value: {field} ({detail})"


def _exceeded(limit: re.Match[str], value: Any) -> str:
    bound = "at most" if limit["sign"] == "<=" else "at least"
    if not limit["length"]:
        return f"{bound} {limit['limit']}, has {str(value)[:40]}"
    unit = " characters" if isinstance(value, str) else ""
    return f"{bound} {limit['limit']}{unit}, has {len(value)}"


def _value_at(body: bytes, path: str) -> Any:
    """Return the value at a path of the decoder, such as `items[3].quantity`."""
    value = msgspec.json.decode(body)
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        value = value[name] if name else value[int(index)]
    return value
