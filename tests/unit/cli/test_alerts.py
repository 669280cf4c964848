"""`./shopnow alerts` on a lake in a folder."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.cli.__main__ import app
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table

START = datetime(2026, 7, 1, 8, tzinfo=UTC)
NASTY = "Mug [red]\x1b[2J"


@pytest.fixture
def lake(tmp_path, monkeypatch) -> str:
    lake = tmp_path.as_uri()
    connection = {"conn_type": "webhdfs", "host": "127.0.0.1", "extra": {"lake": lake}}
    monkeypatch.setenv("AIRFLOW_CONN_WEBHDFS_DEFAULT", json.dumps(connection))
    events = [
        {"event_time": START + hour * timedelta(hours=1), "source_offset": hour, "quantity_after": quantity}
        for hour, quantity in enumerate((9, 4, 0, 0, 30))
    ]
    product = {"product_id": "p-1", "product_name": NASTY, "event_date": START.date()}
    write_deltalake(
        Table(lake, "events/stock").uri, pa.Table.from_pylist([{**event, **product} for event in events])
    )
    stock = {
        "product_id": "p-1",
        "product_name": NASTY,
        "quantity": 0,
        "last_event_time": START,
        "last_offset": 0,
    }
    write_deltalake(Table(lake, STOCK).uri, pa.Table.from_pylist([stock]))
    return lake


def shopnow(*words: str) -> str:
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_a_dry_run_says_what_would_have_been_told_and_sends_nothing(lake):
    shown = shopnow("alerts", "test")
    assert "stock_out:p-1" in shown
    assert "3 messages on each channel" in shown
    assert "not evaluated, as the lake has no history for them: short_cover" in shown
    assert not Table(lake, "alerts").exists()
    notifications = json.loads(shopnow("alerts", "test", "--json"))["told"]
    assert [(entry["fingerprint"], entry["state"]) for entry in notifications] == [
        ("low_stock:p-1", "firing"),
        ("stock_out:p-1", "firing"),
        ("stock_out:p-1", "resolved"),
    ]


def test_rules_that_are_wrong_are_named_before_anything_is_read(tmp_path, lake):
    file = tmp_path / "custom.toml"
    file.write_text("[custom]\nlooks_at = 5\n")
    with pytest.raises(
        UserError, match=r"alert rules custom\.toml: custom: Expected `str`, got `int` - at `looks_at`"
    ):
        shopnow("alerts", "test", str(file))


def test_what_fires_is_listed_without_what_its_name_would_do_to_the_terminal(lake):
    evaluate(lake, "run-1")
    shown = shopnow("alerts")
    assert r"Sold out: Mug [red]\x1b[2J" in shown
    assert "queued" in shown
    assert "restock proposals: 0 open" in shown
    shopnow("alerts", "ack", "stock_out:p-1", "--why", "ordered")
    shopnow("alerts", "silence", "stock_out", "--for", "2h", "--why", "stocktaking")
    shown = shopnow("alerts", "--all")
    assert "acknowledged" in shown
    assert "stocktaking" in shown


@pytest.mark.parametrize("span", ["2", "two hours", "0h", "-1h", "2H"])
def test_a_span_that_is_none_is_named(lake, span):
    with pytest.raises(UserError, match="is not a duration; write it as 30m, 2h or 1d"):
        shopnow("alerts", "silence", "stock_out", "--for", span, "--why", "x")
