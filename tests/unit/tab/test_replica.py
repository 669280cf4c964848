"""The replica follows every version of the lake's tables, and reports what it cannot read."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from factories import sample_lake
from shopnow.errors import UserError
from shopnow.local_stack import supervision
from shopnow_tab_app.replica import queries, server, tables
from shopnow_tab_app.replica.protocol import DerivedTable, ReplicaState, TableCopy
from shopnow_tab_app.replica.server import ReplicaServer
from support import local_replica

SCHEMA = pa.schema(
    [("date", pa.date32()), ("product", pa.string()), ("units", pa.int64()), ("later", pa.string())]
)
COPY = TableCopy("sales", SCHEMA, "date, product, units * 2 AS twice, later", "units > 0")
TOTAL = DerivedTable(
    "total",
    {"sales": "product"},
    'SELECT product AS key, sum(twice)::BIGINT AS twice FROM "sales" GROUP BY product',
)


def rows(*sales: tuple[int, str, int]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"date": date(2026, 11, day), "product": product, "units": units} for day, product, units in sales]
    )


replica = partial(local_replica.local_replica, poll_seconds=0.02)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a replica's copies."""
    return tmp_path_factory.mktemp("replica")


@pytest.fixture
def lake(tmp_path: Path, folder: Path) -> Iterator[ReplicaServer]:
    with replica(str(tmp_path), folder, [COPY], [TOTAL]) as lake:
        yield lake


def sorted_total(lake: ReplicaServer, source: str) -> list[dict]:
    return lake.query(f"SELECT * FROM {source} ORDER BY key")  # noqa: S608


def caught_up(lake: ReplicaServer, version: int) -> ReplicaState:
    """Wait until the replica has read a version and computed the derived table from it; return its state."""

    def state() -> ReplicaState:
        return lake.state(["total", "sales"])

    def is_caught_up() -> bool:
        current = state()
        return (
            current.versions.get("sales") == version
            and not current.unread
            and sorted_total(lake, "total") == sorted_total(lake, f"({TOTAL.select})")
        )

    assert supervision.wait_until(is_caught_up, 30)
    return state()


def test_copy_has_selected_rows_partition_columns_and_null_for_missing_columns(
    lake: ReplicaServer, tmp_path: Path
) -> None:
    write_deltalake(
        tmp_path / "sales", rows((24, "mat", 2), (25, "lamp", 3), (25, "none", 0)), partition_by=["date"]
    )
    state = caught_up(lake, 0)
    assert state.error is None
    assert lake.query("SELECT date, product, twice, later FROM sales ORDER BY date") == [
        {"date": date(2026, 11, 24), "product": "mat", "twice": 4, "later": None},
        {"date": date(2026, 11, 25), "product": "lamp", "twice": 6, "later": None},
    ]


def test_copy_follows_appends_replacements_and_compaction(lake: ReplicaServer, tmp_path: Path) -> None:
    table = tmp_path / "sales"
    write_deltalake(table, rows((24, "mat", 2)), partition_by=["date"])
    caught_up(lake, 0)
    write_deltalake(table, rows((25, "lamp", 3)), mode="append")
    caught_up(lake, 1)
    assert lake.query("SELECT key, twice FROM total ORDER BY key") == [
        {"key": "lamp", "twice": 6},
        {"key": "mat", "twice": 4},
    ]
    write_deltalake(table, rows((26, "lamp", 1)), mode="append")
    caught_up(lake, 2)
    assert lake.query("SELECT key, twice FROM total ORDER BY key") == [
        {"key": "lamp", "twice": 8},
        {"key": "mat", "twice": 4},
    ]
    write_deltalake(table, rows((24, "mat", 5)), mode="overwrite", predicate="date = '2026-11-24'")
    caught_up(lake, 3)
    assert lake.query("SELECT sum(twice)::INT AS twice FROM total") == [{"twice": 18}]
    write_deltalake(table, rows((25, "desk", 1)), mode="append")
    DeltaTable(table).optimize.compact()
    caught_up(lake, 5)
    assert lake.query("SELECT count(*) AS rows, sum(twice)::INT AS twice FROM sales") == [
        {"rows": 4, "twice": 20}
    ]


def test_first_answer_after_an_idle_time_is_current(
    lake: ReplicaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_deltalake(tmp_path / "sales", rows((24, "mat", 2)), partition_by=["date"])
    caught_up(lake, 0)
    monkeypatch.setattr(server, "WATCHED_SECONDS", 0.0)
    assert supervision.wait_until(lambda: not lake._thread or not lake._thread.is_alive(), 30)
    monkeypatch.setattr(server, "WATCHED_SECONDS", 0.3)
    write_deltalake(tmp_path / "sales", rows((25, "lamp", 3)), mode="append")
    with ThreadPoolExecutor() as pool:  # not only the first of several requests
        states = list(pool.map(lake.state, [["sales", "total"]] * 4))
    assert [state.versions["sales"] for state in states] == [1] * 4
    assert lake.query('SELECT sum(twice)::INT AS twice FROM "total"') == [{"twice": 10}]


def test_days_are_utc_wherever_the_server_is(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with replica(str(tmp_path), folder, [COPY], [TOTAL]) as lake:
            [row] = lake.query("SELECT ?::TIMESTAMPTZ::DATE AS day", ["2026-11-24T01:00:00Z"])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert row["day"] == date(2026, 11, 24)


def test_missing_table_is_empty_until_it_is_created(lake: ReplicaServer, tmp_path: Path) -> None:
    assert lake.state(["sales"]).versions == {"sales": None}
    assert lake.query("SELECT * FROM sales") == []
    write_deltalake(tmp_path / "sales", rows((24, "mat", 2)), partition_by=["date"])
    caught_up(lake, 0)


@pytest.mark.parametrize("column", ["units", None])
def test_a_damaged_table_blocks_no_other(tmp_path: Path, folder: Path, column: str | None) -> None:
    """One table has a column of another type, or lacks a data file; the other one is read."""
    other = TableCopy("other", SCHEMA, "date, product", "true")
    with replica(str(tmp_path), folder, [COPY, other], [TOTAL]) as lake:
        write_deltalake(tmp_path / "other", rows((24, "mat", 2)), partition_by=["date"])
        bad = rows((24, "mat", 2))
        if column:
            bad = bad.set_column(bad.schema.get_field_index(column), column, pa.array(["many"]))
        write_deltalake(tmp_path / "sales", bad)
        if not column:
            next((tmp_path / "sales").glob("*.parquet")).unlink()
        state = lake.state(["sales", "total"])
        assert state.error == "table sales cannot be read; see the API server's log for the reason"
        assert "sales" in state.unread
        state = lake.state(["other"])
        assert (state.error, state.versions) == (None, {"other": 0})
        assert lake.query("SELECT count(*) AS rows FROM other") == [{"rows": 1}]
        write_deltalake(tmp_path / "sales", rows((25, "mat", 3)), mode="overwrite", schema_mode="overwrite")
        assert supervision.wait_until(lambda: lake.state(["sales"]).error is None, 30)
        assert lake.query("SELECT twice FROM sales") == [{"twice": 6}]


def test_unreachable_lake_is_reported_in_a_sentence(folder: Path) -> None:
    with replica("hdfs://127.0.0.1:1/shopnow", folder, [COPY], []) as lake:
        state = lake.state(["sales"])
    assert state.unread == ("sales",)
    assert state.error is not None
    assert "check the address, that HDFS runs" in state.error


def test_query_that_runs_out_of_memory_is_retried_then_rejected(
    lake: ReplicaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(queries.time, "sleep", waits.append)
    with pytest.raises(UserError, match="try again in a moment"):
        lake.query("SELECT list(number) FROM range(50_000_000) AS numbers(number)")
    assert len(waits) == queries.ATTEMPTS - 1
    assert lake.query("SELECT 1 AS one") == [{"one": 1}]


def test_large_results_come_in_chunks(lake: ReplicaServer) -> None:
    chunks = lake.chunks("SELECT number::INT FROM range(?) AS numbers(number)", [2500], 1000)
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]


def test_derived_tables_follow_new_payments_and_deliveries(tmp_path: Path, folder: Path) -> None:
    sample_lake.write_lake(str(tmp_path), 300, 2, sample_lake.NOW)
    with replica(str(tmp_path), folder) as lake:
        names = [*(derived.table for derived in tables.DERIVED), *tables.ORDERS_NOW.keys]
        before = {
            name: version
            for name, version in lake.state(names).versions.items()
            if name in tables.ORDERS_NOW.keys
        }
        for name, event_type, value in (
            ("payments", "payment_refunded", "pay"),
            ("deliveries", "delivery_delivered", "d"),
        ):
            table = DeltaTable(tmp_path / "events" / name)
            row = (
                table.to_pyarrow_table(filters=[("event_type", "!=", event_type)]).slice(0, 1).to_pylist()[0]
            )
            changed = [row | {"event_type": event_type, "event_id": f"{value}-new"}]
            write_deltalake(
                table, pa.Table.from_pylist(changed, pa.schema(table.schema().to_arrow())), mode="append"
            )

        def agrees(derived: DerivedTable) -> bool:
            sources = [f"FROM {source}" for source in (derived.table, f"({derived.select})")]
            return not lake.query(
                f"({sources[0]} EXCEPT ALL {sources[1]}) UNION ALL ({sources[1]} EXCEPT ALL {sources[0]})"
            )

        def all_agree() -> bool:
            versions = lake.state(names).versions
            return all(versions[name] != before[name] for name in before if name != "events/orders") and all(
                map(agrees, tables.DERIVED)
            )

        assert supervision.wait_until(all_agree, 30)
        assert lake.query("SELECT count(*) AS orders FROM orders_now WHERE status = 'refunded'") == [
            {"orders": 1}
        ]
