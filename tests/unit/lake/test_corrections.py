"""Files of corrections: accepted, or refused in one line that names the correction."""

import json

import pytest

from shopnow.errors import UserError
from shopnow.lake.governance import corrections, quarantine
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.quarantine import Record

VALUE = {
    "event_type": "order_cancelled",
    "event_id": "0199d3f0-1111-7abc-8def-000000000001",
    "event_time": "2026-11-22T07:56:00Z",
    "schema_version": 1,
    "order_id": "o",
    "reason": "r",
}
GOOD = {"topic": "orders", "partition": 0, "offset": 0, "value": VALUE}


def line(ensure_ascii: bool = False, **changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}, ensure_ascii=ensure_ascii).encode()


def error(data: bytes) -> str:
    with pytest.raises(UserError) as failed:
        corrections.parse(data)
    message = str(failed.value)
    assert message.isprintable()
    assert len(message) < 2000
    return message


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u00a0", "\U0001f600"])
def test_lines_end_only_at_line_feeds(character):
    data = line(value={**VALUE, "reason": f"a{character}b"})
    for ending in (b"\n", b"\r\n"):
        parsed = corrections.parse(ending.join([data, b"", data, b""]))
        assert [correction.line for correction in parsed] == [1, 3]
    assert character in json.loads(parsed[0].payload)["reason"]


def test_a_byte_order_mark_is_skipped():
    assert len(corrections.parse(b"\xef\xbb\xbf" + line())) == 1


def test_the_payload_is_the_bytes_of_the_value():
    value = b'{ "event_type":"order_cancelled", "reason":"\\u00e9", ' + json.dumps(VALUE).encode()[1:]
    value = value.replace(b', "reason": "r"', b"", 1).replace(b'"event_type": "order_cancelled", ', b"")
    data = b'{"topic":"orders","partition":0,"offset":0,"value":' + value + b"}"
    assert corrections.parse(data)[0].payload == value


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (line(True, value={**VALUE, "reason": "\ud83d"}), "line 2: not JSON ("),
        (
            line(value={**VALUE, "extra": "x"}).replace(b'"x"', b"[" * 6000 + b"]" * 6000),
            "line 2: nested too deep",
        ),
        (line(topic_id=["a"]), "line 2: topic_id: expected str | null, got array"),
        (line(topic_id={}), "line 2: topic_id: expected str | null, got object"),
        (line(topic=["orders"]), "line 2: topic: expected str, got array"),
        (line(topic="offers\n\x1b"), "line 2: no topic 'offers\\n\\x1b'"),
        (line(partition=True), "line 2: partition: expected int, got bool"),
        (line(offset="0"), "line 2: offset: expected int, got str"),
        (line(offset=-1), "line 2: offset: expected int >= 0"),
        (line(offset=1 << 70), "line 2: offset: "),
        (line(value=7), "line 2, orders/0/0: "),
        (line(value=None), "line 2, orders/0/0: "),
        (line(value={}), "line 2, orders/0/0: missing field: "),
        (b"7", "line 2: Expected object, got int"),
        (b"{", "line 2: not JSON ("),
        (b"\xff{}", "line 2: not UTF-8 (byte 0 of the line)"),
        (line().replace(b'"r"', b'"\xff"'), "line 2: not UTF-8"),
        (line().decode().encode("utf-16-le"), "line 2: not "),
    ],
)
def test_a_bad_correction_is_named_by_its_line(data, expected):
    assert expected in error(line() + b"\n" + data)


def test_corrections_that_are_parsed_json_are_encoded():
    texts = ["a\u2028b\n", "é"]
    values = [{**VALUE, "reason": text} for text in texts]
    encoded = corrections.encode({**GOOD, "value": value} for value in values)
    assert [json.loads(correction.payload) for correction in corrections.parse(encoded)] == values


def test_only_the_first_of_many_bad_lines_are_named():
    message = error(b"\n".join([b"{"] * 5000))
    assert message.endswith("; and 4995 more")


def test_a_file_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(corrections, "MAX_BYTES", 100)
    assert "at most" in error(line())


def test_each_correction_matches_one_record(monkeypatch):
    quarantined = [RecordId("one", 0, 0), RecordId("two", 0, 0), RecordId("one", 0, 1)]
    monkeypatch.setattr(
        quarantine,
        "records",
        lambda lake, topic: [Record("orders", record_id, None, "", None) for record_id in quarantined],
    )

    def check(*lines: bytes) -> list[RecordId]:
        return list(corrections.check("", corrections.parse(b"\n".join(lines)))["orders"])

    assert check(line(topic_id="two"), line(offset=1)) == [RecordId("two", 0, 0), RecordId("one", 0, 1)]
    for lines, expected in (
        ((line(),), "line 1, orders/0/0: in quarantine under 2 topic ids; add topic_id, one of one, two"),
        ((line(offset=2),), "line 1, orders/0/2: not in quarantine"),
        ((line(offset=1), line(offset=1)), "line 2, orders/0/1: line 1 corrects the same record"),
        ((line(offset=1), line(offset=1, topic_id="one")), "line 2, orders/0/1: line 1 corrects the same"),
    ):
        with pytest.raises(UserError) as failed:
            check(*lines)
        assert expected in str(failed.value)
