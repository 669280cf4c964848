"""The ledger of the local Kafka, which has no login, has only what the generator wrote."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from shopnow import connections
from shopnow.broker import reader, topic_state
from shopnow.broker.topics import LEDGER, SHOP_STATE
from shopnow.errors import UserError
from shopnow.local_stack import stack
from shopnow.settings import Settings
from shopnow.traffic import ledger, run_totals, signature
from shopnow.traffic.generate import generate
from shopnow.traffic.state_reader import PRODUCER_HEADER
from support.free_ports import settings_on_free_ports
from support.storage_services import without_optimizing_compiler


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a running Kafka, whose ledger is older than the key of the signatures."""
    settings = settings_on_free_ports(tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch, without_optimizing_compiler():
        patch.setattr(Settings, "load", classmethod(lambda cls: settings))
        try:
            up(settings)
            key_file(settings).unlink()
            generate(kafka_conf(settings), "before the key", sessions=20, seed=1)
            up(settings)
            yield settings
        finally:
            stack.down(settings)


@pytest.fixture
def conf(settings: Settings) -> dict[str, Any]:
    return kafka_conf(settings)


def kafka_conf(settings: Settings) -> dict[str, Any]:
    return connections.kafka_conf(connections.local_defaults(settings))


def up(settings: Settings) -> None:
    stack.up(settings, lambda subject, what: None, ["kafka"])


def key_file(settings: Settings) -> Path:
    return settings.data_dir / "ledger_key.json"


def last_record(conf: dict[str, Any], topic: str) -> tuple[bytes | None, bytes | None, list]:
    """Key, value and headers of the last record of a single-partition topic."""
    [chunk] = list(reader.read(conf, topic, topic_state.describe(conf, [topic])[topic].partitions))[-1:]
    return chunk.keys[-1], chunk.values[-1], chunk.headers[-1] or []


def send(conf: dict[str, Any], topic: str, key: bytes | None, value: bytes | None, headers: list) -> None:
    producer = Producer(conf)
    producer.produce(topic, value, key, headers=headers)
    assert producer.flush(30) == 0


def test_records_before_and_after_the_key_are_the_ledger(conf):
    before = ledger.read(conf).num_rows
    assert before
    generate(conf, "after the key", sessions=20, seed=2)
    assert ledger.read(conf).num_rows > before
    assert sum(run_totals.combine(run_totals.read_runs(conf).runs).totals.records.values()) == (
        ledger.read(conf).num_rows
    )


def test_forged_records_and_copies_are_not(conf):
    generate(conf, "forged", sessions=20, seed=3)
    rows, runs = ledger.read(conf), run_totals.read_runs(conf)
    key, value, headers = last_record(conf, LEDGER)
    changed = next(ledger.encode(rows.slice(0, 1)))
    # With the public header alone, with a signature of another record, and with one for another topic.
    send(conf, LEDGER, key, changed, [PRODUCER_HEADER])
    send(conf, LEDGER, key, changed, headers)
    send(conf, LEDGER, key, value, headers)
    state_key, state, state_headers = last_record(conf, SHOP_STATE)
    send(conf, LEDGER, state_key, state, state_headers)
    send(conf, SHOP_STATE, b"run/forged", b"{}", [PRODUCER_HEADER])
    assert ledger.read(conf) == rows
    assert run_totals.read_runs(conf) == runs


def test_only_the_owner_may_read_the_key_and_a_damaged_one_is_named(settings, conf, monkeypatch, tmp_path):
    assert stat.S_IMODE(key_file(settings).stat().st_mode) == 0o600
    assert signature.load({"bootstrap.servers": "kafka.example:9092"}) is None
    damaged = settings.model_copy(update={"data_dir": tmp_path})
    key_file(damaged).write_text(json.dumps({"secret": "x"}))
    monkeypatch.setattr(Settings, "load", classmethod(lambda cls: damaged))
    with pytest.raises(UserError, match=r"ledger_key\.json"):
        signature.load(conf)
