"""Receiving notes: every file of the inbox is filed with its outcome, and none blocks the others."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from shopnow.restock import service, trigger
from shopnow.restock.inbox import Inbox
from shopnow.restock.service import ALREADY_RECEIVED, POSTPONED, RECEIVED, REJECTED
from shopnow.traffic import restock_simulation
from shopnow.traffic.state import State
from support.memory_hdfs import MemoryHdfs

HEADER = "note_number,supplier,product_id,quantity\n"
ROOT = "/shopnow/restock"


def note(number: str, supplier: str = "Depot", quantity: int = 10, product: str = "p-009") -> bytes:
    return f"{HEADER}{number},{supplier},{product},{quantity}\n".encode()


@pytest.fixture
def hdfs() -> MemoryHdfs:
    return MemoryHdfs()


@pytest.fixture
def receive(hdfs, monkeypatch):
    """Return a function that receives the notes in the inbox; the shop is in memory."""
    state, receipts = State(), {}

    def in_memory(conf, run_id, deliveries):
        _, outcomes = restock_simulation.apply_deliveries(
            state, receipts, run_id, deliveries, round(time.time() * 1000)
        )
        for outcome in outcomes:
            if outcome.receipt:
                receipts.update(dict.fromkeys(outcome.receipt.dedup_keys, outcome.receipt))
        return outcomes

    monkeypatch.setattr(restock_simulation, "receive", in_memory)
    return lambda: {filed.file: filed for filed in service.receive({}, Inbox(hdfs, ROOT), "run")}


def drop(hdfs: MemoryHdfs, name: str, data: bytes) -> str:
    hdfs.makedirs(f"{ROOT}/inbox")
    hdfs.write(f"{ROOT}/inbox/{name}", data)
    return f"{ROOT}/inbox/{name}"


def reason(hdfs: MemoryHdfs, path: str) -> str:
    return hdfs.files[f"{path}.reason.txt"].decode()


@pytest.mark.parametrize("stem", ["L" * 240, "L" * 251, "é" * 125, "🧾" * 62, "e\u0301" * 80])
def test_a_file_with_a_long_name_is_filed_with_its_reason(hdfs, receive, stem):
    bad, good = f"{stem}.csv", f"M{stem[2:]}.csv"
    drop(hdfs, bad, b"this is no note\n1\n")
    drop(hdfs, good, note("N-08"))
    filed = receive()
    assert {name: note.outcome for name, note in filed.items()} == {bad: REJECTED, good: RECEIVED}
    assert "no column" in reason(hdfs, filed[bad].path)
    assert hdfs.files[filed[bad].path] == b"this is no note\n1\n"
    assert filed[bad].path.rpartition("/")[2].startswith(stem[:20])
    assert list(Inbox(hdfs, ROOT).pending()) == []


@pytest.mark.parametrize(
    "name", ["two\nlines.csv", "tab\t\x1b[2J.csv", "a b, ;'\".CSV", "%2e%2e.csv", "a..csv"]
)
def test_a_file_of_any_name_is_filed(hdfs, receive, name):
    drop(hdfs, name, b"no note")
    assert receive()[name].outcome == REJECTED
    drop(hdfs, name, note("N-1"))
    assert receive()[name].outcome == RECEIVED


def test_what_hdfs_does_not_give_blocks_no_other_file(hdfs, receive):
    hdfs.denied.add(drop(hdfs, "denied.csv", note("N-1")))
    hdfs.damaged.add(damaged := drop(hdfs, "damaged.csv", note("N-2")))
    hdfs.open_for_writing.add(drop(hdfs, "slow.csv", b"note_number"))
    hdfs.makedirs(f"{ROOT}/inbox/folder.csv")
    drop(hdfs, "good.csv", note("N-3"))
    filed = receive()
    assert {name: note.outcome for name, note in filed.items()} == {
        "denied.csv": REJECTED,
        "good.csv": RECEIVED,
    }
    assert "make it readable" in reason(hdfs, filed["denied.csv"].path)
    assert damaged in hdfs.files
    hdfs.damaged.clear()
    assert receive()["damaged.csv"].outcome == RECEIVED


def test_a_file_that_cannot_be_read_is_tried_again(hdfs, receive, monkeypatch):
    drop(hdfs, "damaged.csv", note("N-1"))
    drop(hdfs, "good.csv", note("N-2"))
    monkeypatch.setattr(hdfs, "checksum", lambda path: {})
    hdfs.damaged.add(f"{ROOT}/inbox/damaged.csv")
    filed = receive()
    assert filed["good.csv"].outcome == RECEIVED
    assert filed["damaged.csv"].outcome == POSTPONED
    assert "Could not obtain block" in filed["damaged.csv"].detail
    hdfs.damaged.clear()
    assert receive()["damaged.csv"].outcome == RECEIVED


def test_two_unreadable_files_of_one_name_are_both_kept(hdfs, receive):
    paths = set()
    for number in ("N-1", "N-2"):
        hdfs.denied.add(drop(hdfs, "a.csv", note(number)))
        paths.add(receive()["a.csv"].path)
    assert len(paths & hdfs.files.keys()) == 2


def test_two_large_files_of_one_name_and_start_are_both_kept(hdfs, receive):
    contents = [b"x" * (2 << 20) + end for end in (b"1", b"2")]
    paths = []
    for content in contents:
        drop(hdfs, "a.csv", content)
        paths.append(receive()["a.csv"].path)
    assert [hdfs.files[path] for path in paths] == contents


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("0147", "D\u00e9p\u00f4t Lyon"), ("0147", "De\u0301po\u0302t Lyon")),
        (("N-1", "Depot"), ("n-1", "DEPOT")),
        (("N-1", "Regional Depot"), ("N-1", '" Regional \u00a0 Depot "')),
        (("A1", "Straße"), ("A1", "STRASSE")),
        (("147", "Depot"), ("１４７", "Ｄｅｐｏｔ")),
    ],
)
def test_a_note_is_known_by_its_number_in_every_spelling(hdfs, receive, first, second):
    drop(hdfs, "first.csv", note(*first))
    assert receive()["first.csv"].outcome == RECEIVED
    drop(hdfs, "second.csv", note(*second))
    filed = receive()["second.csv"]
    assert filed.outcome == REJECTED
    assert "the same supplier and note number" in filed.detail


def test_other_numbers_and_suppliers_are_other_notes(hdfs, receive):
    for count, (number, supplier) in enumerate(
        [("1", "a"), ("01", "a"), ("1", "b"), ("b/1", "a"), ("1", "a/b"), ("a%2Fb", "1")]
    ):
        drop(hdfs, f"{count}.csv", note(number, supplier))
    assert {filed.outcome for filed in receive().values()} == {RECEIVED}


def test_spellings_in_one_run_and_identical_files(hdfs, receive):
    drop(hdfs, "nfc.csv", note("1", "D\u00e9p\u00f4t"))
    drop(hdfs, "nfd.csv", note("1", "De\u0301po\u0302t"))
    drop(hdfs, "copy.csv", note("1", "D\u00e9p\u00f4t"))
    assert [filed.outcome for filed in receive().values()] == [RECEIVED, REJECTED, ALREADY_RECEIVED]


def test_only_so_many_files_are_received_at_once(hdfs, receive, monkeypatch):
    monkeypatch.setattr(service, "MAX_FILES", 2)
    for number in range(3):
        drop(hdfs, f"{number}.csv", note(str(number)))
    assert [len(receive()), len(receive()), len(receive())] == [2, 1, 0]


def test_the_reason_lists_only_the_first_of_many_unknown_products(hdfs, receive):
    rows = "".join(f"N-1,Depot,x-{number},1\n" for number in range(1000))
    drop(hdfs, "many.csv", (HEADER + rows).encode())
    assert receive()["many.csv"].detail.splitlines()[-1] == "… and 990 more"


def test_an_order_waits_as_a_file_until_it_is_due_and_counts_once(hdfs, receive):
    box, now = Inbox(hdfs, ROOT), datetime.now(UTC)
    box.order("R-1.csv", note("R-1"), now - timedelta(minutes=2))
    box.order("R-2.csv", note("R-2"), now + timedelta(days=3))
    box.order("R-2.csv", note("R-2"), now + timedelta(days=3))  # a retry
    hdfs.write(f"{ROOT}/ordered/no-time.csv", note("R-3"))
    assert len(trigger.files_to_receive(box)) == 1
    assert {name: filed.outcome for name, filed in receive().items()} == {"R-1.csv": RECEIVED}
    box.order("R-1.csv", note("R-1"), now)
    assert {name: filed.outcome for name, filed in receive().items()} == {"R-1.csv": ALREADY_RECEIVED}
    assert receive() == {}
    assert trigger.files_to_receive(box) == []
    [waiting] = [path for path in hdfs.files if "R-2" in path]
    assert waiting == f"{ROOT}/ordered/{now + timedelta(days=3):%Y%m%dT%H%M%SZ}.R-2.csv"


def test_an_order_waits_while_another_file_has_its_name(hdfs, receive):
    box, past = Inbox(hdfs, ROOT), datetime.now(UTC) - timedelta(minutes=2)
    box.drop("R-1.csv", note("R-1"))
    box.order("R-1.csv", note("R-1"), past)
    box.order("R-1.csv", note("R-1", quantity=99), past + timedelta(minutes=1))
    assert receive()["R-1.csv"].outcome == RECEIVED
    assert receive()["R-1.csv"].outcome == REJECTED
    assert list(box.due(datetime.now(UTC))) == list(box.pending()) == []
