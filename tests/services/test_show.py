"""The newest of a topic and of a table, on a real Kafka and HDFS."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from factories import kpi_sample
from shopnow.broker.tail import follow, read_tail
from shopnow.broker.transactional_producer import TransactionalProducer
from shopnow.cli.__main__ import app
from shopnow.connections import variable_name
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta.preview import newest_rows
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import landing
from shopnow.submission.service import submit
from support import kafka_topics

CANCELLED = {"event_type": "order_cancelled", "reason": "changed my mind"}


@pytest.fixture(scope="module")
def conf(kafka: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka}


def test_the_last_records_are_found_behind_what_was_never_committed(conf):
    with kafka_topics.topic(conf) as topic:
        kafka_topics.send(conf, topic, [b"%d" % number for number in range(5)], partition=0)
        kafka_topics.send(conf, topic, [b"other"], partition=1)
        producer = TransactionalProducer(conf, topic, ("producer", b"test"), "test")
        with suppress(ZeroDivisionError), producer.transaction():
            for _ in range(60):
                producer.send(topic, b"key", b"aborted")
            raise ZeroDivisionError
        records = read_tail(conf, topic, 3, lambda record: record.offset)
        assert [record.value for record in records.records] == [b"2", b"3", b"4"]
        assert len(read_tail(conf, topic, 100, lambda record: record.offset).records) == 6

        following = follow(conf, topic, records.ends, lambda record: record.offset)
        kafka_topics.send(conf, topic, [b"new"])
        assert [record.value for record in next(following)] == [b"new"]
        kafka_topics.send(conf, topic, [b"newer"])
        assert [record.value for record in next(following)] == [b"newer"]


def test_the_newest_rows_of_a_table_come_first(lake):
    schema = pa.schema([("date", pa.date32()), ("rank", pa.int32())])
    rows = [{"date": date(2026, 1, day), "rank": rank} for day in (1, 3, 2) for rank in (2, 1, 3)]
    table = Table(lake, "kpi/top").ensure(schema, ["date"])
    write_deltalake(table, pa.Table.from_pylist(rows, schema), mode="append")
    records = [
        (row["date"].day, row["rank"]) for row in newest_rows(Table(lake, "kpi/top").open(), 4).to_pylist()
    ]
    assert records == [(3, 1), (3, 2), (3, 3), (2, 1)]
    assert newest_rows(Table(lake, "kpi/top").open(), 100).num_rows == len(rows)


@pytest.fixture
def show(conf, lake, storage, monkeypatch):
    """Runs `./shopnow show` with some words."""
    webhdfs = {
        "conn_type": "webhdfs",
        "host": "127.0.0.1",
        "port": storage.ports["namenode_http"],
        "extra": {"lake": lake},
    }
    monkeypatch.setenv(variable_name("kafka_default"), json.dumps({"conn_type": "kafka", "extra": conf}))
    monkeypatch.setenv(variable_name("webhdfs_default"), json.dumps(webhdfs))
    return lambda *words: CliRunner().invoke(app, ["show", *words])


@pytest.fixture(scope="module")
def kpi_lake(storage) -> str:
    """A lake with KPI tables."""
    lake = f"{storage.lake_uri}/shown"
    kpi_sample.write(lake, kpi_sample.sample())
    return lake


@pytest.fixture
def filled(kpi_lake, show, monkeypatch):
    """As `show`, of that lake."""
    webhdfs = {"conn_type": "webhdfs", "host": "127.0.0.1", "port": 1, "extra": {"lake": kpi_lake}}
    monkeypatch.setenv(variable_name("webhdfs_default"), json.dumps(webhdfs))
    return show


def test_the_command_shows_a_service_and_its_tables(conf, lake, show):
    order = f"o-{uuid.uuid4()}"
    events = [CANCELLED | {"order_id": order}, CANCELLED | {"order_id": order, "reason": "red"}]
    kafka_topics.send(conf, "orders", [b'{"reason": "clears the screen \x1b[2J"}'])
    submit(conf, order, json.dumps(events).encode(), datetime.now(UTC))
    for what in ("orders", "raw/orders"):
        answer = show(what)
        assert answer.exit_code == 0, answer
        assert answer.stdout.count(order) == len(events)
        assert "(invalid JSON" in answer.stdout
        assert "\x1b[2J" not in answer.stdout
        landing.land(conf, lake, TOPICS["orders"])
    shown = json.loads(show("orders", "--json", "--limit", "2").stdout)["events"]
    assert [(event["event"]["order_id"], event["problem"]) for event in shown] == [(order, None)] * 2
    rows = json.loads(show("raw/orders", "--json", "-n", "2").stdout)["rows"]
    assert [json.loads(row["value"])["order_id"] for row in rows] == [order] * 2


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.name)
def test_the_command_shows_every_kpi_table_for_people_and_programs(filled, kpi):
    answer = filled(kpi.name)
    assert answer.exit_code == 0, answer
    assert kpi.title in answer.stdout
    assert "None" not in answer.stdout
    rows = json.loads(filled(kpi.name, "--json").stdout)["rows"]
    assert len(rows) == min(len(kpi_sample.sample()[kpi.name]), 20)
    assert set(rows[0]) == set(kpi.schema.names)
    if "date" in rows[0]:
        assert [row["date"] for row in rows] == sorted((row["date"] for row in rows), reverse=True)


def test_money_is_shown_as_money_and_numbers_below_each_other(filled):
    lines = filled("kpi/sales_daily").stdout.splitlines()
    [newest, older] = [line for line in lines if "2026-11-" in line]
    assert newest.index("2026-11-24") == older.index("2026-11-17")
    assert newest.index("59,181.41") == older.index("55,290.05")
    assert lines[2].index("net revenue") < lines[2].index("GMV") < lines[2].index("orders")


def test_the_command_without_a_name_lists_what_there_is(filled):
    answer = filled()
    assert answer.exit_code == 0, answer
    shown = {row["name"]: row for row in json.loads(filled("--json").stdout)["shown"]}
    assert set(shown) >= {*TOPICS, *(kpi.name for kpi in KPIS), "receipts", "restatements"}
    assert shown["kpi/funnel"] == {
        "name": "kpi/funnel",
        "title": "Conversion funnel: a day on which sessions began",
        "there": True,
    }
    assert not shown["receipts"]["there"]
    assert all(name in answer.stdout for name in shown)


@pytest.mark.parametrize("words", [["nothing"], ["raw/nothing"], ["receipts", "--follow"]])
def test_the_command_says_in_one_line_what_there_is_not(show, words):
    answer = show(*words)
    assert isinstance(answer.exception, UserError)
    assert "orders" in str(answer.exception)
    assert len(str(answer.exception).splitlines()) == 1


def test_the_command_follows_what_comes(conf, show):
    order = f"o-{uuid.uuid4()}"
    following = subprocess.Popen(
        [sys.executable, "-m", "shopnow.cli", "show", "orders", "--follow", "--json", "--limit", "1"],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    with following:
        assert following.stdout
        following.stdout.readline()
        submit(conf, order, json.dumps(CANCELLED | {"order_id": order}).encode(), datetime.now(UTC))
        assert json.loads(following.stdout.readline())["event"]["order_id"] == order
        following.terminate()
