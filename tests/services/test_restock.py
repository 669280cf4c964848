"""Delivery notes from a real HDFS to a real Kafka: received once, with every file archived by outcome."""

import asyncio
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc
import pytest
from hdfs import InsecureClient
from typer.testing import CliRunner

from shopnow.broker import reader, topic_state
from shopnow.cli.__main__ import app
from shopnow.connections import variable_name
from shopnow.errors import UserError
from shopnow.local_stack import supervision
from shopnow.restock import inbox, service, trigger
from shopnow.restock.inbox import Inbox
from shopnow.restock.service import ALREADY_RECEIVED, RECEIVED, REJECTED, FiledNote
from shopnow.settings import Settings
from shopnow.traffic import ledger
from shopnow.traffic.generate import generate, load_state
from support import ledger_stock

FAILPOINTS = ("restock:noted", "restock:committed", "restock:reason")


@pytest.fixture(scope="module")
def conf(storage: Settings) -> dict[str, str]:
    return {"bootstrap.servers": storage.bootstrap_servers}


@pytest.fixture(scope="module")
def client(storage: Settings) -> InsecureClient:
    return InsecureClient(f"http://127.0.0.1:{storage.ports['namenode_http']}", user="shopnow")


@pytest.fixture
def root(lake: str) -> str:
    return inbox.inbox_path(lake)


@pytest.fixture
def box(client: InsecureClient, root: str) -> Inbox:
    return Inbox(client, root)


def note(*items: tuple[str, int], number: str | None = None) -> bytes:
    number = number or str(uuid.uuid4())
    rows = "".join(f"{number},Depot,{product_id},{quantity}\n" for product_id, quantity in items)
    return f"note_number,supplier,product_id,quantity\n{rows}".encode()


def ends(conf: dict[str, str]) -> dict[int, int]:
    return {
        partition: end
        for partition, (_, end) in topic_state.describe(conf, ["stock"])["stock"].partitions.items()
    }


def stock_since(conf: dict[str, str], before: dict[int, int]) -> list[dict]:
    """Return the stock events committed since `before`, in order for each product."""
    ranges = {partition: (before[partition], end) for partition, end in ends(conf).items()}
    return [
        json.loads(value) for chunk in reader.read(conf, "stock", ranges) for value in chunk.values if value
    ]


def restocked_since(conf: dict[str, str], before: dict[int, int]) -> list[tuple[str, int, int]]:
    events = [event for event in stock_since(conf, before) if event["event_type"] == "stock_restocked"]
    return sorted(
        (event["product_id"], event["quantity_change"], event["quantity_after"]) for event in events
    )


def stock_of(conf: dict[str, str], product_id: str) -> int:
    shop = load_state(conf).shop
    assert shop
    return shop.stock[product_id].quantity


def outcomes(filed: list[FiledNote]) -> dict[str, str]:
    return {note.file: note.outcome for note in filed}


@pytest.fixture
def opened(conf: dict[str, str]) -> None:
    """Open the shop, with no delivery on its way."""
    generate(conf, f"restock-{uuid.uuid4()}", 5, 1)


def test_goods_are_received_once_over_repeated_notes(conf, client, box, root, opened):
    before, stock = ends(conf), stock_of(conf, "p-041")
    data = note(("p-041", 7), number="N-1" + root)
    box.drop("a.csv", data)
    [filed] = service.receive(conf, box, "run-1")
    assert (filed.outcome, filed.detail) == (RECEIVED, f"p-041: {stock + 7}")
    with client.read(filed.path) as stream:
        assert stream.read() == data
    # The same content again, also under another name; then the same name and number with other content.
    box.drop("a.csv", data)
    box.drop("b.csv", data)
    assert outcomes(service.receive(conf, box, "run-2")) == dict.fromkeys(
        ("a.csv", "b.csv"), ALREADY_RECEIVED
    )
    box.drop("a.csv", note(("p-041", 9)))
    box.drop("c.csv", note(("p-041", 9), number="N-1" + root))
    filed = service.receive(conf, box, "run-3")
    assert outcomes(filed) == dict.fromkeys(("a.csv", "c.csv"), REJECTED)
    for rejected, reason in zip(sorted(filed), ("file name (a.csv)", "note number (Depot/N-1"), strict=True):
        with client.read(f"{rejected.path}.reason.txt", encoding="utf-8") as stream:
            assert reason in stream.read()
    assert restocked_since(conf, before) == [("p-041", 7, stock + 7)]
    assert stock_of(conf, "p-041") == stock + 7
    assert list(box.pending()) == []


def test_an_invalid_note_is_rejected_and_blocks_no_other(conf, client, box, root, opened):
    before, stock = ends(conf), stock_of(conf, "p-042")
    box.drop("bad.csv", b"quantity\n5\n")
    box.drop("unknown.csv", note(("p-042", 1), ("p-999", 1)))
    box.drop("Größe 50% #1?.CSV", note(("p-042", 2)))
    client.write(f"{root}/inbox/note.txt", data=b"not for us")
    filed = service.receive(conf, box, "run")
    assert outcomes(filed) == {"bad.csv": REJECTED, "unknown.csv": REJECTED, "Größe 50% #1?.CSV": RECEIVED}
    assert restocked_since(conf, before) == [("p-042", 2, stock + 2)]
    assert client.list(f"{root}/inbox") == ["note.txt"]
    assert len(client.list(f"{root}/rejected")) == 4
    assert len(client.list(f"{root}/done")) == 1


def test_a_file_that_is_being_written_is_not_pending(client, box, root):
    path = f"{root}/inbox/slow.csv"
    with client.write(path) as stream:
        stream.write(note(("p-001", 1)))
        assert supervision.wait_until(lambda: client.status(path, strict=False), 30)
        assert list(box.pending()) == []
    assert supervision.wait_until(lambda: list(box.pending()) == ["slow.csv"], 30)


@pytest.mark.parametrize("point", FAILPOINTS)
def test_a_killed_run_receives_each_note_once_on_retry(
    conf, client, box, root, storage, opened, point, monkeypatch
):
    before, stock = ends(conf), stock_of(conf, "p-040")
    box.drop(f"{uuid.uuid4()}.csv", note(("p-040", 3)))
    box.drop("bad.csv", b"quantity\n5\n")
    code = f"""
from hdfs import InsecureClient
from shopnow.restock import service
from shopnow.restock.inbox import Inbox
service.receive({conf!r}, Inbox(InsecureClient({client.url!r}, user="shopnow"), {root!r}), "run")
"""
    monkeypatch.setenv("SHOPNOW_KILL_AT", point)
    killed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    monkeypatch.delenv("SHOPNOW_KILL_AT")
    service.receive(conf, box, "run")
    assert restocked_since(conf, before) == [("p-040", 3, stock + 3)]
    assert list(box.pending()) == []
    assert [len(client.list(f"{root}/{folder}")) for folder in ("inbox", "taken", "done", "rejected")] == [
        0,
        0,
        1,
        2,
    ]


def test_a_running_generator_resumes_with_the_received_goods(conf, box, opened):
    before, state = ends(conf), load_state(conf)
    stock = {product_id: item.quantity for product_id, item in state.shop.stock.items()}
    # Earlier tests hold back records of their runs, which may become due here.
    late = {record.event_id for record in state.held}
    run_id = f"restock-{uuid.uuid4()}"
    box.drop(f"{run_id}.csv", note(("p-001", 40), ("p-004", 40)))

    def deliver(done: int, of: int) -> None:
        service.receive(conf, box, run_id)

    with pytest.raises(UserError, match="taken over"):
        generate(conf, run_id, 60, 7, sessions_per_transaction=20, progress=deliver)
    generate(conf, run_id, 60, 7, sessions_per_transaction=20)
    assert [change for _, change, _ in restocked_since(conf, before) if change == 40] == [40, 40]
    for event in stock_since(conf, before):
        if event["event_id"] not in late:
            stock[event["product_id"]] += event["quantity_change"]
            assert event["quantity_after"] == stock[event["product_id"]]
    shop = load_state(conf).shop
    assert stock == {product_id: item.quantity for product_id, item in shop.stock.items()}
    assert ledger_stock.of_ledger(conf) == stock
    assert ledger.read(conf).filter(pc.field("run_id") == f"receive_restock/{run_id}").num_rows >= 2


@pytest.fixture
def connection(storage, lake, monkeypatch) -> None:
    """The connection to this HDFS and lake, as Airflow and the command line read it."""
    webhdfs = {
        "conn_type": "webhdfs",
        "host": "127.0.0.1",
        "port": storage.ports["namenode_http"],
        "login": "shopnow",
    }
    monkeypatch.setenv(variable_name("webhdfs_default"), json.dumps({**webhdfs, "extra": {"lake": lake}}))


@pytest.fixture
def restock(connection) -> Iterator:
    """Return a function that runs `./shopnow restock` with arguments."""
    return lambda *arguments: CliRunner().invoke(app, ["restock", *map(str, arguments)])


def test_the_command_drops_only_valid_notes(restock, box, tmp_path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(note(("p-001", 1)))
    bad.write_bytes(note(("p-001", 0)))
    result = restock(good, bad)
    assert "row 1, quantity" in str(result.exception)
    assert list(box.pending()) == []
    result = restock(good)
    assert result.exit_code == 0
    assert "good.csv" in result.stdout
    assert restock(good).exit_code == 0  # the identical file is pending
    assert list(box.pending()) == ["good.csv"]
    good.write_bytes(note(("p-001", 2)))
    for arguments in ([good], [tmp_path], [tmp_path / "missing.csv"]):
        result = restock(*arguments)
        assert isinstance(result.exception, UserError)
        assert len(str(result.exception).splitlines()) == 1


def test_the_trigger_fires_for_new_notes_and_due_orders_and_again_while_they_stay(
    connection, client, box, root, monkeypatch
):
    monkeypatch.setattr(trigger, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(trigger, "REPEAT_SECONDS", 1.0)

    async def watch() -> None:
        async with aclosing(trigger.DeliveryNoteTrigger().run()) as events:

            async def next_files() -> list[str]:
                return (await asyncio.wait_for(anext(events), 30)).payload["files"]

            now = datetime.now(UTC)
            box.order("R-1.csv", note(("p-001", 1)), now + timedelta(seconds=3))
            box.order("R-2.csv", note(("p-001", 1)), now + timedelta(days=3))
            box.drop("a.csv", note(("p-001", 1)))
            assert await next_files() == ["a.csv"]
            while (files := await next_files()) == ["a.csv"]:
                pass
            assert files == ["R-1.csv", "a.csv"]
            assert datetime.now(UTC) >= now + timedelta(seconds=2)
            client.delete(f"{root}/inbox/a.csv")
            while (files := await next_files()) == ["R-1.csv", "a.csv"]:
                pass
            assert files == ["R-1.csv"]

    asyncio.run(watch())
