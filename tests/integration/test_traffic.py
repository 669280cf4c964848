"""The generator against a real broker: what it sent, what it says it sent, and what is left after it was killed."""

import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pytest
import xxhash

from shopnow import events
from shopnow.broker import reader, topics
from shopnow.errors import UserError
from shopnow.traffic import ledger
from shopnow.traffic.generate import KILL_POINTS, begin, generate, restore
from shopnow.traffic.producing import TransactionalProducer
from shopnow.traffic.records import PRODUCER_HEADER
from shopnow.traffic.simulation import simulate

SESSIONS = 60
PER_TRANSACTION = 20
SEED = 11


class Found(NamedTuple):
    """A record of a topic, as the ledger describes it."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes
    payload_hash: bytes


class Mark(NamedTuple):
    """How far the topics reached at some moment."""

    topics: dict[str, topics.TopicState]
    ledger: int


@pytest.fixture(scope="module")
def conf(kafka: str) -> dict[str, str]:
    conf = {"bootstrap.servers": kafka}
    topics.create(conf, topics.shop_topics(partitions=3))
    return conf


@pytest.fixture
def run_id() -> str:
    return f"test-{uuid.uuid4()}"


def mark(conf: dict[str, str]) -> Mark:
    return Mark(topics.describe(conf, events.TOPICS), ledger.end(conf))


def sent_since(conf: dict[str, str], before: Mark) -> dict[Found, bytes]:
    """The generator's committed records after the mark: where each is, and its value."""
    found = {}
    for name, now in topics.describe(conf, events.TOPICS).items():
        ranges = {partition: (before.topics[name].partitions[partition][1], end) for partition, (_, end) in now.partitions.items()}
        for chunk in reader.read(conf, name, ranges):
            for offset, key, value, headers in zip(chunk.offsets, chunk.keys, chunk.values, chunk.headers, strict=True):
                if PRODUCER_HEADER in (headers or ()):
                    found[Found(name, now.topic_id, chunk.partition, offset, key, xxhash.xxh3_128_digest(value))] = value
    return found


def noted(conf: dict[str, str], run_id: str) -> list[dict]:
    return ledger.read(conf).filter(pc.field("run_id") == run_id).to_pylist()


def as_found(row: dict) -> Found:
    return Found(*(row[name] for name in Found._fields))


def window(conf: dict[str, str]) -> tuple[datetime, datetime]:
    """A day the shop has not lived through yet."""
    shop = restore(conf).shop
    start = datetime.fromtimestamp(shop.clock / 1000, UTC) if shop else datetime(2026, 1, 1, tzinfo=UTC)
    return start, start + timedelta(days=1)


def test_the_ledger_is_what_is_in_the_topics(conf: dict[str, str], run_id: str) -> None:
    before = mark(conf)
    first = generate(conf, f"{run_id}-1", SESSIONS, SEED, sessions_per_transaction=PER_TRANSACTION)
    second = generate(conf, f"{run_id}-2", SESSIONS, SEED)
    rows = noted(conf, f"{run_id}-1") + noted(conf, f"{run_id}-2")
    sent = sent_since(conf, before)
    assert sorted(map(as_found, rows)) == sorted(sent)
    assert Counter(row["topic"] for row in rows) == Counter(first.events) + Counter(second.events)
    assert len({row["event_id"] for row in rows}) == len(rows)
    assert second.start == first.end


def test_stock_is_conserved_over_all_runs_and_never_negative(conf: dict[str, str], run_id: str) -> None:
    generate(conf, run_id, SESSIONS, SEED)
    table = ledger.read(conf)
    after = table.filter(pc.is_valid(pc.field("quantity_after"))).to_pylist()
    assert min(row["quantity_after"] for row in after) >= 0
    shop = restore(conf).shop
    assert shop
    assert ledger.totals(table).closing_stock == {product_id: shelf.quantity for product_id, shelf in shop.shelves.items()}
    last = {row["product_id"]: row["quantity_after"] for row in sorted(after, key=lambda row: row["offset"])}
    assert ledger.totals(table).closing_stock == last


def test_a_cut_of_the_ledger_stays_what_it_was(conf: dict[str, str], run_id: str) -> None:
    generate(conf, f"{run_id}-1", SESSIONS, SEED)
    cut = ledger.end(conf)
    seen = ledger.read(conf, upto=cut)
    generate(conf, f"{run_id}-2", SESSIONS, SEED)
    assert ledger.read(conf, upto=cut) == seen
    assert ledger.read(conf).num_rows > seen.num_rows


def test_a_run_that_is_done_is_not_done_again(conf: dict[str, str], run_id: str) -> None:
    first = generate(conf, run_id, SESSIONS, SEED)
    before = mark(conf)
    again = generate(conf, run_id, SESSIONS, SEED)
    assert again == first._replace(already_done=True)
    assert not sent_since(conf, before)


@pytest.mark.parametrize("point", ["traffic:state:1", *(f"{point}:2" for point in KILL_POINTS)])
def test_a_killed_run_goes_on_with_neither_gap_nor_duplicate(conf: dict[str, str], run_id: str, point: str) -> None:
    start, end = window(conf)
    state = restore(conf)
    unkilled = begin(state, run_id, SESSIONS, SEED, 0.1, start, end)
    expected = [events.encode(event) for chunk in simulate(state, unkilled, SESSIONS) for event in chunk.events]
    before = mark(conf)

    killed = generate_in_a_child(conf, run_id, start, end, {"SHOPNOW_KILL_AT": point})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    summary = generate(conf, run_id, SESSIONS, SEED, start=start, end=end, sessions_per_transaction=PER_TRANSACTION)

    sent = sent_since(conf, before)
    assert Counter(sent.values()) == Counter(expected)
    assert sorted(map(as_found, noted(conf, run_id))) == sorted(sent)
    assert summary.events == unkilled.events
    assert restore(conf).shop == state.shop
    assert restore(conf).orders == state.orders


def generate_in_a_child(
    conf: dict[str, str], run_id: str, start: datetime, end: datetime, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    code = f"""
from datetime import datetime
from shopnow.traffic.generate import generate
generate({conf!r}, {run_id!r}, {SESSIONS}, {SEED}, sessions_per_transaction={PER_TRANSACTION},
         start=datetime.fromisoformat({start.isoformat()!r}), end=datetime.fromisoformat({end.isoformat()!r}))
"""
    include = Path(events.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(include), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_generator_that_was_taken_over_commits_nothing_more(conf: dict[str, str], run_id: str) -> None:
    before = mark(conf)

    def take_over(done: int, of: int) -> None:
        TransactionalProducer(conf)

    with pytest.raises(UserError, match="taken over"):
        generate(conf, run_id, SESSIONS, SEED, sessions_per_transaction=PER_TRANSACTION, progress=take_over)
    assert restore(conf).runs[run_id].done == PER_TRANSACTION
    generate(conf, run_id, SESSIONS, SEED, sessions_per_transaction=PER_TRANSACTION)
    assert sorted(map(as_found, noted(conf, run_id))) == sorted(sent_since(conf, before))


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_works(conf: dict[str, str]) -> None:
    producer = TransactionalProducer(conf)
    cut = ledger.end(conf)

    def fail() -> None:
        with producer.transaction():
            producer.send("ledger", b"test", None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with producer.transaction():
        producer.send("ledger", b"test", None)
    producer.wait_until_visible()
    found = [chunk.values for chunk in reader.read(conf, "ledger", {0: (cut, ledger.end(conf))})]
    assert found == [[None]]


def test_other_parameters_for_a_run_id_are_refused_and_nothing_is_sent(conf: dict[str, str], run_id: str) -> None:
    generate(conf, run_id, SESSIONS, SEED)
    before = mark(conf)
    with pytest.raises(UserError, match="began with"):
        generate(conf, run_id, SESSIONS, SEED + 1)
    assert mark(conf) == before


def test_a_broker_that_is_not_there_is_named_in_one_line(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT_SECONDS", 1.0)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 ") as error:
        generate({"bootstrap.servers": "127.0.0.1:1"}, run_id, SESSIONS, SEED)
    assert "\n" not in str(error.value)
