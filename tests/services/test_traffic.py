"""The generator on a real broker: its records, its ledger, and its recovery from kills."""

import json
import os
import pickle
import signal
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

import pyarrow.compute as pc
import pytest
import typer
import xxhash
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from typer.testing import CliRunner

from shopnow import events
from shopnow.broker import reader, topic_state, topics
from shopnow.cli import ledger as cli
from shopnow.errors import UserError
from shopnow.traffic import ledger, ledger_totals, run_totals
from shopnow.traffic.event_buffer import to_datetime
from shopnow.traffic.generate import FAILPOINTS, begin_run, generate, load_state
from shopnow.traffic.ledger_totals import DUPLICATE
from shopnow.traffic.producer import TransactionalProducer
from shopnow.traffic.run_config import Faults, validate
from shopnow.traffic.simulation import simulate
from shopnow.traffic.state_reader import PRODUCER_HEADER
from support import ledger_stock

SESSIONS = 60
PER_TRANSACTION = 20
SEED = 11
FAULTS = Faults(
    late=0.05, duplicate=0.1, out_of_order=0.05, malformed=0.05, schema_v1=0.3, clock_skew_seconds=2
)


class RecordKey(NamedTuple):
    """Position, key and hash of a record, as in the ledger."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes
    payload_hash: bytes


class Mark(NamedTuple):
    """End offsets of the topics and the ledger at some moment."""

    topics: dict[str, topic_state.TopicState]
    ledger: int


@pytest.fixture
def run_id() -> str:
    return f"test-{uuid.uuid4()}"


def take_mark(conf: dict[str, str]) -> Mark:
    return Mark(topic_state.describe(conf, events.TOPICS), ledger.end_offset(conf))


def sent_since(conf: dict[str, str], before: Mark) -> dict[RecordKey, bytes]:
    """Return the values of the generator's committed records after a mark."""
    values = {}
    for name, state in topic_state.describe(conf, events.TOPICS).items():
        ranges = {
            partition: (before.topics[name].end_offsets[partition], end)
            for partition, end in state.end_offsets.items()
        }
        for chunk in reader.read(conf, name, ranges):
            for offset, key, value, headers in zip(
                chunk.offsets, chunk.keys, chunk.values, chunk.headers, strict=True
            ):
                if PRODUCER_HEADER in (headers or ()):
                    payload_hash = xxhash.xxh3_128_digest(value)
                    record = RecordKey(name, state.topic_id, chunk.partition, offset, key, payload_hash)
                    values[record] = value
    return values


def ledger_rows(conf: dict[str, str], run_id: str) -> list[dict]:
    return ledger.read(conf).filter(pc.field("run_id") == run_id).to_pylist()


def record_key(row: dict) -> RecordKey:
    return RecordKey(*(row[name] for name in RecordKey._fields))


def next_period(conf: dict[str, str], days: float) -> tuple[datetime, datetime]:
    """Return a period after the shop's clock."""
    shop = load_state(conf).shop
    start = to_datetime(shop.clock) if shop else datetime(2026, 1, 1, tzinfo=UTC)
    return start, start + timedelta(days=days)


def test_the_ledger_describes_the_records_in_the_topics(conf: dict[str, str], run_id: str) -> None:
    before = take_mark(conf)
    first = generate(conf, f"{run_id}-1", SESSIONS, SEED, sessions_per_transaction=PER_TRANSACTION)
    second = generate(conf, f"{run_id}-2", SESSIONS, SEED, faults=FAULTS)
    rows = ledger_rows(conf, f"{run_id}-1") + ledger_rows(conf, f"{run_id}-2")
    sent = sent_since(conf, before)
    assert sorted(map(record_key, rows)) == sorted(sent)
    assert Counter(row["topic"] for row in rows) == Counter(first.events) + Counter(second.events)
    assert len({row["event_id"] for row in rows}) == len(rows) - second.faults[DUPLICATE]
    assert Counter(row["fault"] for row in rows if row["fault"]) == Counter(second.faults)
    assert second.start == first.end


def test_stock_is_conserved_over_all_runs_and_never_negative(conf: dict[str, str], run_id: str) -> None:
    generate(conf, run_id, SESSIONS, SEED, faults=FAULTS)
    shop = load_state(conf).shop
    assert shop
    assert ledger_stock.of_ledger(conf) == {
        product_id: level.quantity for product_id, level in shop.stock.items()
    }
    assert min(row["quantity_after"] for row in ledger.read(conf).to_pylist() if row["topic"] == "stock") >= 0


def test_run_totals_equal_the_totals_of_the_ledger(conf: dict[str, str], run_id: str) -> None:
    generate(conf, run_id, SESSIONS, SEED, faults=FAULTS)
    totals = run_totals.combine(run_totals.read_runs(conf).runs).totals
    demand = {product_id: demand.wanted for product_id, demand in totals.demand.items()}
    wanted = ledger.read_demand(conf).group_by("product_id").aggregate([("wanted", "sum")]).to_pylist()
    assert {row["product_id"]: row["wanted_sum"] for row in wanted} == demand
    totals.demand = {}
    assert totals == ledger_totals.from_rows(ledger.read_batches(conf))


def test_the_command_shows_a_run_and_all_of_them(
    conf: dict[str, str], run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(conf, run_id, SESSIONS, SEED, faults=FAULTS, scenario="flash_sale")
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": conf}))
    app = typer.Typer()
    app.command()(cli.ledger)

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, arguments, catch_exceptions=False).output

    rows = ledger_rows(conf, run_id)
    [shown] = json.loads(run("--run", run_id, "--json"))["runs"]
    assert (shown["run_id"], shown["asked"]["scenario"], shown["finished"]) == (run_id, "flash_sale", True)
    assert sum(shown["records"].values()) == len(rows)
    assert sum(shown["faults"].values()) == sum(row["fault"] is not None for row in rows)
    everything = json.loads(run("--json"))
    assert sum(everything["total"]["records"].values()) == ledger.read(conf).num_rows
    assert everything["held_back"] == len(load_state(conf).held)
    for words in (
        "Events",
        "order_placed",
        "net_revenue",
        "duplicate",
        "Unmet demand",
        "Stock-outs",
    ):
        assert words in run("--run", run_id)
    with pytest.raises(UserError, match="'no-run'"):
        run("--run", "no-run")


def test_the_ledger_up_to_an_offset_does_not_change(conf: dict[str, str], run_id: str) -> None:
    generate(conf, f"{run_id}-1", SESSIONS, SEED)
    end = ledger.end_offset(conf)
    table = ledger.read(conf, upto=end)
    generate(conf, f"{run_id}-2", SESSIONS, SEED)
    assert ledger.read(conf, upto=end) == table
    assert ledger.read(conf).num_rows > table.num_rows


def test_a_finished_run_is_not_repeated(conf: dict[str, str], run_id: str) -> None:
    first = generate(conf, run_id, SESSIONS, SEED)
    before = take_mark(conf)
    again = generate(conf, run_id, SESSIONS, SEED)
    assert again == first._replace(already_done=True)
    assert not sent_since(conf, before)


def test_killed_at_every_failpoint_a_run_ends_with_neither_gap_nor_duplicate(
    conf: dict[str, str], run_id: str
) -> None:
    seed = int(os.environ["SHOPNOW_TEST_SEED"])
    print(f"SHOPNOW_TEST_SEED={seed}")
    chance = Random(seed)
    points = [*FAILPOINTS, *chance.sample(FAILPOINTS, 2)]
    chance.shuffle(points)
    # An uncommitted transaction is repeated, so enough sessions remain for every kill to hit one.
    start, end = next_period(conf, days=4)
    options = {"seed": seed, "sessions_per_transaction": 5, "start": start, "end": end, "faults": FAULTS}
    sessions = 5 * (3 * len(points) + 1)
    state = load_state(conf)
    config = validate(sessions=sessions, seed=seed, start=start, end=end, faults=FAULTS)
    unkilled = begin_run(state, run_id, config)
    expected = [value for chunk in simulate(state, unkilled, sessions) for value in chunk.batch.values]
    before = take_mark(conf)

    for code in run_killed(
        conf, run_id, sessions, options, [f"{point}:{chance.randint(1, 3)}" for point in points]
    ):
        assert code == -signal.SIGKILL
    summary = generate(conf, run_id, sessions, **options)

    sent = sent_since(conf, before)
    assert Counter(sent.values()) == Counter(expected)
    rows = ledger_rows(conf, run_id)
    assert sorted(map(record_key, rows)) == sorted(sent)
    assert summary.events == unkilled.totals.records
    assert load_state(conf).runs[run_id] == unkilled
    assert load_state(conf).shop == state.shop
    assert load_state(conf).orders == state.orders

    once = [row for row in rows if row["fault"] != DUPLICATE]
    orders = Counter(row["order_id"] for row in once if row["event_type"] == "order_placed")
    assert orders
    assert set(orders.values()) == {1}
    assert min(row["quantity_after"] for row in once if row["topic"] == "stock") >= 0


def run_killed(
    conf: dict[str, str], run_id: str, sessions: int, options: dict, points: list[str]
) -> list[int]:
    """Run the generator once per failpoint, in a process that is killed there; return the exit codes."""
    task = pickle.dumps((conf, run_id, sessions, options, points))
    # Forking before any Kafka client exists is safe, and saves importing everything again.
    code = """
import os, pickle, sys
from shopnow.traffic.generate import generate
conf, run_id, sessions, options, points = pickle.load(sys.stdin.buffer)
for point in points:
    if not (child := os.fork()):
        os.environ["SHOPNOW_KILL_AT"] = point
        generate(conf, run_id, sessions, **options)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
    process = subprocess.run(
        [sys.executable, "-c", code], input=task, stdout=subprocess.PIPE, timeout=300, check=True
    )
    return [int(line) for line in process.stdout.split()]


def test_a_rejected_record_fails_the_run_and_aborts_its_transaction(
    conf: dict[str, str], run_id: str
) -> None:
    generate(conf, f"{run_id}-before", SESSIONS, SEED)
    before, shop = take_mark(conf), load_state(conf).shop
    set_max_record_size(conf, "orders", 100)
    with pytest.raises(KafkaException) as error:
        generate(conf, run_id, SESSIONS, SEED)
    assert error.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert not sent_since(conf, before)
    assert load_state(conf).shop == shop
    assert not ledger_rows(conf, run_id)
    set_max_record_size(conf, "orders", topics.MAX_RECORD_BYTES)
    generate(conf, run_id, SESSIONS, SEED)
    assert sorted(map(record_key, ledger_rows(conf, run_id))) == sorted(sent_since(conf, before))


def set_max_record_size(conf: dict[str, str], topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(conf)
    for future in admin.incremental_alter_configs([change]).values():
        future.result()


def test_a_fenced_generator_commits_nothing_more(conf: dict[str, str], run_id: str) -> None:
    before = take_mark(conf)

    def take_over(done: int, of: int) -> None:
        TransactionalProducer(conf)

    with pytest.raises(UserError, match="taken over"):
        generate(conf, run_id, SESSIONS, SEED, sessions_per_transaction=PER_TRANSACTION, progress=take_over)
    assert load_state(conf).runs[run_id].done == PER_TRANSACTION
    generate(conf, run_id, SESSIONS, SEED, sessions_per_transaction=PER_TRANSACTION)
    assert sorted(map(record_key, ledger_rows(conf, run_id))) == sorted(sent_since(conf, before))


def test_fencing_is_reported_whatever_error_it_caused(conf: dict[str, str]) -> None:
    def fail_after_fencing() -> None:
        with producer.transaction():
            for _ in range(100):
                producer.send("ledger", b"test", None)
            TransactionalProducer(conf)
            raise ZeroDivisionError

    producer = TransactionalProducer(conf)
    with pytest.raises(UserError, match="taken over"):
        fail_after_fencing()


def test_a_failed_transaction_is_aborted_and_the_next_one_commits(conf: dict[str, str]) -> None:
    producer = TransactionalProducer(conf)
    end = ledger.end_offset(conf)

    def fail() -> None:
        with producer.transaction():
            producer.send("ledger", b"test", None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with producer.transaction():
        producer.send("ledger", b"test", None)
    producer.wait_until_visible()
    values = [chunk.values for chunk in reader.read(conf, "ledger", {0: (end, ledger.end_offset(conf))})]
    assert values == [[None]]


def test_other_parameters_for_a_run_id_are_rejected(conf: dict[str, str], run_id: str) -> None:
    generate(conf, run_id, SESSIONS, SEED)
    before = take_mark(conf)
    with pytest.raises(UserError, match="began with"):
        generate(conf, run_id, SESSIONS, SEED + 1)
    assert take_mark(conf) == before


def test_an_unreachable_broker_is_reported_in_one_line(run_id: str, nowhere: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 ") as error:
        generate(nowhere, run_id, SESSIONS, SEED)
    assert "\n" not in str(error.value)
