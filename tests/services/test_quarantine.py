"""Records are replayed after a fix and become events exactly once."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from typer.testing import CliRunner

from factories import raw_tables as sample
from shopnow.cli import quarantine as cli
from shopnow.errors import UserError
from shopnow.events import TOPICS, OrderPlaced, Topic
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import corrections, quarantine
from shopnow.lake.governance.amendments import RecordId

ORDERS, STOCK = TOPICS["orders"], TOPICS["stock"]
# The topic's definition before order_cancelled was added.
OLD_ORDERS = Topic("orders", "order_id", (OrderPlaced,))


def cancelled(number: int, **changes: object) -> bytes:
    event = {
        "event_type": "order_cancelled",
        "event_id": f"0199d3f0-1111-7abc-8def-{number:012}",
        "event_time": "2026-11-22T07:56:00Z",
    }
    return json.dumps({**event, "schema_version": 1, "order_id": "o", "reason": "r", **changes}).encode()


def sold(number: int, left: int) -> bytes:
    event = {
        "event_type": "stock_sold",
        "event_id": f"0199d3f0-2222-7abc-8def-{number:012}",
        "event_time": f"2026-11-22T07:56:{number:02}Z",
    }
    product = {
        "product_id": "p",
        "product_name": "n",
        "quantity_change": -1,
        "quantity_after": left,
        "order_id": "o",
    }
    return json.dumps({**event, **product, "schema_version": 1}).encode()


def replay(lake: str, reason: str | None = None) -> int:
    """Return the number of replayed records."""
    return sum(outcome.replayed for outcome in quarantine.replay(lake, None, reason, why="fixed", by="me"))


def event_offsets(lake: str, topic: str = "orders") -> list[int]:
    """Return the source offsets of the events, sorted."""
    return sorted(
        tables.read(Table(lake, f"events/{topic}").open(), ["source_offset"])["source_offset"].to_pylist()
    )


def test_a_replayed_record_becomes_an_event_once(lake, refresh):
    # The second order repeats the first, the last is not JSON. Stock levels are updated incrementally, so the
    # neighbours of a replayed record must not count again.
    values = [cancelled(1), cancelled(1), cancelled(2), b"nope"]
    sample.land_records(lake, OLD_ORDERS, values)
    sample.land_records(lake, STOCK, [sold(1, 9), b"later", sold(3, 7)])
    refresh(lake)
    assert event_offsets(lake) == []
    assert quarantine.replay(lake, None, None, why="", by="", dry_run=True) == [
        quarantine.Outcome("orders", "invalid JSON", 0, 1),
        quarantine.Outcome("orders", "unknown event type", 3, 0),
        quarantine.Outcome("stock", "invalid JSON", 0, 1),
    ]
    assert replay(lake, reason="no such reason") == 0
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert sum(pool.map(replay, [lake, lake])) == 3
    assert replay(lake) == 0

    correction = [{"topic": "stock", "partition": 0, "offset": 1, "value": json.loads(sold(2, 8))}]
    corrected = corrections.parse(corrections.encode(correction))
    assert quarantine.correct(lake, corrections.check(lake, corrected), why="typo", by="me") == [
        quarantine.Outcome("stock", "invalid JSON", 1, 0),
    ]
    refresh(lake)
    assert event_offsets(lake) == [0, 2]
    assert event_offsets(lake, "stock") == [0, 1, 2]
    [position] = tables.read(Table(lake, "kpi/stock_position").open()).to_pylist()
    assert (position["sold_units"], position["quantity"]) == (3, 7)
    raw = tables.read(Table(lake, "raw/orders").open()).sort_by("offset")
    assert raw["value"].to_pylist() == values
    assert [problem is None for problem in raw["problem"].to_pylist()] == [True, True, True, False]

    # A replayed record whose event exists is a duplicate.
    sample.land_records(lake, OLD_ORDERS, [cancelled(2)])
    replay(lake)
    refresh(lake)
    assert event_offsets(lake) == [0, 2]


def test_all_corrections_are_validated_before_any_is_used(lake):
    sample.land_records(lake, ORDERS, [b"a", b"b", cancelled(1)])
    sample.land_records(lake, ORDERS, [b"c"], topic_id="recreated")
    good = {"topic": "orders", "partition": 0, "value": json.loads(cancelled(2))}
    version = Table(lake, "raw/orders").version()

    def check(*lines: object) -> dict[str, quarantine.Corrections]:
        return corrections.check(lake, corrections.parse(corrections.encode(lines)))

    for correction, expected in (
        (
            good | {"offset": 1, "value": {"event_type": "order_cancelled"}},
            "line 2, orders/0/1: missing field",
        ),
        (good | {"offset": 2}, "line 2, orders/0/2: not in quarantine"),
        (good | {"offset": 0}, "line 2, orders/0/0: in quarantine under 2 topic ids"),
        (good | {"offset": "0"}, "line 2: offset: expected int, got str"),
        (7, "line 2: Expected object"),
    ):
        with pytest.raises(UserError) as failed:
            check(good | {"offset": 1}, correction)
        assert expected in str(failed.value)
    assert Table(lake, "raw/orders").version() == version
    assert list(check(good | {"offset": 0, "topic_id": "recreated"})["orders"]) == [
        RecordId("recreated", 0, 0)
    ]


def test_the_quarantine_commands(lake, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cli, "endpoints", lambda: ({}, lake))
    sample.land_records(lake, ORDERS, [b"\x1b[31m\xff", None, cancelled(1)])

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert json.loads(run("--json"))["reasons"] == [
        {"reason": "invalid UTF-8", "records": 1, "topics": {"orders": 1}},
        {"reason": "no value", "records": 1, "topics": {"orders": 1}},
    ]
    [shown] = json.loads(run("--records", "--reason", "invalid UTF-8", "--json"))["records"]
    assert (shown["place"], shown["value"]) == ("orders/0/0", "\\x1b[31m\\xff")
    assert len(json.loads(run("--records", "--limit", 1, "--json"))["records"]) == 1
    file = tmp_path / "corrections.jsonl"
    file.write_text(
        json.dumps({"topic": "orders", "partition": 0, "offset": 1, "value": json.loads(cancelled(2))})
    )
    command = ("replay", "--corrections", file, "--json")
    expected = [{"topic": "orders", "reason": "no value", "replayed": 1, "still_bad": 0}]
    assert json.loads(run(*command, "--dry-run")) == {"replayed": expected, "dry_run": True}
    assert json.loads(run(*command)) == {"replayed": expected, "dry_run": False}
    with pytest.raises(UserError, match="not in quarantine"):
        run(*command)
    assert "invalid UTF-8" in run()
    assert "no value" not in run()
