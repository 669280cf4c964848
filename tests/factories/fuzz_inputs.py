"""Input that a careless or malicious person may give to `send`, from noise to nearly valid events."""

import json
from typing import Any

from hypothesis import strategies as st

from shopnow.events import TOPIC_OF
from shopnow.examples import example_json

EXAMPLES: list[dict[str, Any]] = [example_json(type_) for type_ in TOPIC_OF]
FIELDS = sorted({field for event in EXAMPLES for field in event})

_TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "\x00", "\x1b[31mred", "a\nb", "\ud800", "x" * 600, "[bold]", "' OR 1=1 --"]),
)
_VALUES = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), _TEXTS, st.floats(), st.integers(-(10**30), 10**30)),
        st.sampled_from(
            [10**400, "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999Z", 1e308]
        ),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def _events(draw: st.DrawFn) -> Any:
    """An example event with some fields removed and some wrong or additional ones."""
    event = dict(draw(st.sampled_from(EXAMPLES)))
    for field in draw(
        st.lists(st.sampled_from(["event_id", "event_time", "schema_version", *FIELDS]), max_size=2)
    ):
        event.pop(field, None)
    event.update(draw(st.dictionaries(st.one_of(st.sampled_from(FIELDS), _TEXTS), _VALUES, max_size=2)))
    return event


_DOCUMENTS = st.one_of(_events(), _events(), _events(), _VALUES)
# Lone surrogates are encoded as escapes, or as bytes that are not UTF-8.
_JSON = st.builds(
    lambda value, plain: json.dumps(value, ensure_ascii=not plain).encode(errors="surrogatepass"),
    _DOCUMENTS,
    st.booleans(),
)


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = draw(_JSON)
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 4)) :]


_RECORDS = st.one_of(_JSON, _JSON, _damaged(), st.binary(max_size=30))
BATCHES = st.one_of(
    _RECORDS,
    st.lists(_RECORDS, max_size=6).map(lambda records: b"[" + b", ".join(records) + b"]"),
    st.lists(_RECORDS, max_size=6).map(b"\n".join),
    st.lists(_RECORDS, max_size=3).map(b"".join),
    _DOCUMENTS.map(lambda value: json.dumps(value, indent=2).encode()),
    st.sampled_from(
        [
            b"",
            b" \n\r\n",
            b"[]",
            b"\xef\xbb\xbf[]",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"\x00",
            b"[,]",
            "[]".encode("utf-16"),
        ]
    ),
)
"""Inputs of `send`, as bytes."""
