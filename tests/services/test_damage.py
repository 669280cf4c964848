"""Damaged files are named by `verify`, whose other checks go on, and are repaired from Kafka or from raw."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import pyarrow as pa
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from factories.events import payment_record
from shopnow.audit.verify import CHECKS, verify
from shopnow.broker import reader, topic_state
from shopnow.drills.file_damage import DAMAGES, Files
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata, file_swap, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss, landing
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.receipts import RECEIPTS
from shopnow.lake.maintenance import damage, repair, repair_raw
from shopnow.lake.maintenance.repair import Outcome
from shopnow.settings import ROOT
from shopnow.traffic.generate import generate
from shopnow_spark import repair as spark_repair
from support.damaged_files import damaged
from support.kafka_topics import send, topic

FILES = "files = log"
CHECKPOINT = ".checkpoint.parquet"
PROVENANCE = {"raw_versions", "computed_at", "audit", "version", "committed_at"}
"""Columns that say how rows were computed or committed."""


class Shop(NamedTuple):
    conf: dict[str, str]
    lake: str
    files: Files


@pytest.fixture(scope="module")
def shop(conf: dict[str, str], hdfs: str, refresh: Callable) -> Shop:
    """A lake of a few sessions, of which `verify` has recorded the checksums."""
    lake = f"{hdfs}/{uuid.uuid4()}"
    generate(conf, f"damage-{uuid.uuid4()}", sessions=60, seed=3)
    for shop_topic in TOPICS.values():
        landing.land(conf, lake, shop_topic)
    refresh(lake)
    commit_metadata.collect(lake, RECEIPTS)
    for name in ("raw/orders", "raw/payments"):
        Table(lake, name).open().create_checkpoint()
    assert [check for check in verify(conf, lake) if not check.ok] == []
    return Shop(conf, lake, Files(lake))


def data_file(shop: Shop, table: str) -> str:
    return file_swap.data_files(Table(shop.lake, table).open())[0].path


def log_file(shop: Shop, table: str, ending: str) -> str:
    """Return the path of the last file of a table's log with this ending."""
    names = [name for name in shop.files.names(f"{table}/_delta_log") if name.endswith(ending)]
    return names[-1].removeprefix(f"{table}/")


DATA = {
    "raw/orders": "rows, ingest_date ",
    "events/orders": "rows, event_date ",
    "kpi/sales_daily": "rows, date ",
    "kpi/stock_position": "rows",
    "receipts": "rows, date ",
}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("table", DATA)
def test_a_damaged_data_file_is_named_with_its_rows(shop, table, kind):
    path, recorded = data_file(shop, table), damage.read_checksums(shop.lake)[table]
    with damaged(shop.files, f"{table}/{path}", kind):
        state = damage.check_table(Table(shop.lake, table), recorded)
    assert state.damaged_data_files == {path}
    assert DATA[table] in str(state.damages[0])
    assert damage.check_table(Table(shop.lake, table), recorded).damages == []


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *((ending, kind) for ending in (".json", CHECKPOINT) for kind in DAMAGES),
        # A hint with another digit may be as good.
        ("_last_checkpoint", "truncate"),
        ("_last_checkpoint", "remove"),
    ],
)
def test_a_damaged_file_of_the_log_is_named(shop, ending, kind):
    table = Table(shop.lake, "raw/orders")
    path, recorded = log_file(shop, table.name, ending), damage.read_checksums(shop.lake)[table.name]
    version = table.version()
    with damaged(shop.files, f"{table.name}/{path}", kind):
        state = damage.check_table(table, recorded, at_least=version)
    named = [found.file for found in state.damages]
    # A checkpoint is superfluous while the log has the commits, so only the hint to it is wrong.
    assert ("_delta_log/_last_checkpoint" if (ending, kind) == (CHECKPOINT, "remove") else path) in named


class Damaged(NamedTuple):
    """A file to damage: the first data file of a table, or the last file of its log with an ending."""

    table: str
    kind: str
    ending: str = "parquet"

    def path(self, shop: Shop) -> str:
        if self.ending == "parquet":
            return data_file(shop, self.table)
        return log_file(shop, self.table, self.ending)


@pytest.mark.parametrize(
    ("files", "also"),
    [
        (
            [Damaged("raw/orders", "truncate"), Damaged("kpi/sales_daily", "flip")],
            {"topics = raw", "raw = receipts"},
        ),
        (
            [Damaged("receipts", "truncate"), Damaged("events/orders", "remove")],
            {"raw = receipts", "raw = events + quarantine + duplicates", "ledger = events"},
        ),
        (
            [
                Damaged("raw/views", "truncate", ".json"),
                Damaged("events/views", "truncate", ".json"),
                Damaged("kpi/funnel", "flip", ".json"),
            ],
            {
                *("topics = raw", "raw = receipts"),
                *("raw = events + quarantine + duplicates", "ledger = events"),
            },
        ),
    ],
    ids=["raw and KPI", "receipts and events", "logs"],
)
def test_verify_goes_on_with_its_other_checks(shop, files, also):
    paths = {file.table: file.path(shop) for file in files}
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(damaged(shop.files, f"{file.table}/{paths[file.table]}", file.kind))
        checks = {check.check: check for check in verify(shop.conf, shop.lake)}
    assert list(checks) == list(CHECKS)
    assert {FILES, *also} <= {name for name, check in checks.items() if not check.ok}
    assert all(f"{table}: file {path}" in checks[FILES].detail for table, path in paths.items())
    assert checks["ledger = topics"].ok
    assert not any("\n" in check.detail for check in checks.values())


def repaired(shop: Shop, spark: SparkSession, **options) -> list[Outcome]:
    """Repair the lake as `./shopnow repair` does."""
    outcomes = repair.repair(shop.conf, shop.lake, **options)
    if any(outcome.outcome == repair.TO_COMPUTE for outcome in outcomes):
        spark_repair.repair(shop.lake, lambda: spark)
    return outcomes


def content(shop: Shop, name: str) -> pa.Table:
    rows = tables.read(Table(shop.lake, name).open())
    names = [column for column in rows.column_names if column not in PROVENANCE]
    key = [
        (column, "ascending") for column in names if not pa.types.is_nested(rows.schema.field(column).type)
    ]
    return rows.select(names).sort_by(key)


@pytest.mark.parametrize(
    "files",
    [
        [
            Damaged("raw/orders", "flip"),
            Damaged("raw/payments", "remove"),
            Damaged("receipts", "truncate"),
            Damaged("events/orders", "flip"),
            Damaged("kpi/sales_daily", "remove"),
        ],
        [
            Damaged("raw/stock", "truncate", ".json"),
            Damaged("raw/orders", "truncate", CHECKPOINT),
            Damaged("raw/payments", "remove", "_last_checkpoint"),
            Damaged("events/payments", "truncate", ".json"),
            Damaged("kpi/funnel", "flip", ".json"),
        ],
    ],
    ids=["data", "logs"],
)
def test_repair_restores_the_same_rows(shop, spark, files):
    tables_ = {file.table for file in files}
    before = {table: content(shop, table) for table in tables_}
    for file in files:
        DAMAGES[file.kind](shop.files, f"{file.table}/{file.path(shop)}")
    found = repair.repair(shop.conf, shop.lake, dry_run=True)
    assert {(outcome.table, outcome.outcome) for outcome in found} == {
        (table, repair.TO_REPAIR) for table in tables_
    }
    assert {outcome.table for outcome in repaired(shop, spark)} == tables_
    assert {table: content(shop, table).equals(rows) for table, rows in before.items()} == dict.fromkeys(
        tables_, True
    )
    assert [check for check in verify(shop.conf, shop.lake) if not check.ok] == []
    assert repaired(shop, spark) == []


def test_the_dag_does_not_retry_a_misspelt_table(conf, lake, monkeypatch):
    repair_task = (
        DagBag(dag_folder=str(ROOT / "dags" / "repair_lake.py")).dags["repair_lake"].get_task("repair")
    )
    context = {
        "params": {"table": "raw/order", "dry_run": True, "acknowledge_loss": None},
        "run_id": "manual__1",
    }
    for name, value in {
        "get_current_context": lambda: context,
        "lake_uri": lambda: lake,
        "kafka_conf": lambda: conf,
    }.items():
        monkeypatch.setitem(repair_task.python_callable.__globals__, name, value)
    with pytest.raises(AirflowFailException, match="the lake has no table 'raw/order'"):
        repair_task.python_callable()


@pytest.mark.parametrize("point", ["repair:write", "repair:commit", "repair:committed"])
def test_a_killed_repair_leaves_the_table_old_or_new(shop, monkeypatch, point):
    before, path = content(shop, "raw/carts"), data_file(shop, "raw/carts")
    damage_of = DAMAGES["truncate"]
    damage_of(shop.files, f"raw/carts/{path}")

    class Killed(BaseException):
        pass

    def die(passed: str) -> None:
        if passed == point:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(repair_raw, "failpoint", die)
        with pytest.raises(Killed):
            repair.repair(shop.conf, shop.lake, "raw/carts")
    is_old = data_file(shop, "raw/carts") == path
    assert is_old == (point != "repair:committed")
    outcomes = repair.repair(shop.conf, shop.lake, "raw/carts")
    assert [outcome.outcome for outcome in outcomes] == ([repair.RESTORED] if is_old else [])
    assert content(shop, "raw/carts").equals(before)


def test_what_kafka_no_longer_has_is_recorded_as_lost(conf, lake, monkeypatch):
    raw = Table(lake, "raw/payments")
    with topic(conf) as name:
        # Landing reads another topic of Kafka here; repair would read the one of the same name.
        describe, read = topic_state.describe, reader.read
        monkeypatch.setattr(
            topic_state, "describe", lambda conf, names: {"payments": describe(conf, [name])[name]}
        )
        monkeypatch.setattr(reader, "read", lambda conf, _, *rest, **more: read(conf, name, *rest, **more))
        monkeypatch.setattr(topic_state, "topic_id", lambda conf, _: describe(conf, [name])[name].topic_id)
        for first in (0, 10):
            send(conf, name, [payment_record(number) for number in range(first, first + 10)], partition=0)
            landing.land(conf, lake, TOPICS["payments"])
        files, paths = Files(lake), [file.path for file in file_swap.data_files(raw.open())]
        for path in paths:
            files.remove(f"raw/payments/{path}")
        admin, start = AdminClient(conf), TopicPartition(name, 0, 12)
        admin.delete_records([start])[start].result()

        [outcome] = repair.repair(conf, lake)
        assert outcome.outcome == repair.BEYOND
        assert "12 landed records of offsets 0 to 11" in outcome.detail
        assert {file.path for file in file_swap.data_files(raw.open())} == {*paths}
        acknowledgement = Acknowledgement("no backup", "me")
        [outcome] = repair.repair(conf, lake, acknowledgement=acknowledgement)
        assert outcome.outcome == repair.RESTORED
    assert sorted(tables.read(raw.open(), ["offset"])["offset"].to_pylist()) == list(range(12, 20))
    [loss] = data_loss.read(lake, ["payments"])
    assert (loss.kind, loss.start_offset, loss.end_offset, loss.missing_rows) == ("damaged", 0, 12, 12)
    assert (loss.reason, loss.acknowledged_by) == acknowledgement
    assert damage.check_table(raw, {}).damages == []
