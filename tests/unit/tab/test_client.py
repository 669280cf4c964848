"""The copies of the lake's tables: they follow every version, and what cannot be read is said."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from factories import sample_lake
from shopnow.errors import UserError
from shopnow.local_stack import supervision
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import Copy, Derived, State

SCHEMA = pa.schema(
    [("date", pa.date32()), ("product", pa.string()), ("units", pa.int64()), ("later", pa.string())]
)
COPY = Copy("sales", SCHEMA, "date, product, units * 2 AS twice, later", "units > 0")
PATHS = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
TOTAL = Derived(
    "total",
    {"sales": "product"},
    'SELECT product AS key, sum(twice)::BIGINT AS twice FROM "sales" GROUP BY product',
)


def rows(*found: tuple[int, str, int]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"date": date(2026, 11, day), "product": product, "units": units} for day, product, units in found]
    )


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with closing(Lake(lambda: str(tmp_path), [COPY], [TOTAL])) as lake:
        yield lake


def sorted_total(lake: Lake, source: str) -> list[dict]:
    return lake.query(f"SELECT * FROM {source} ORDER BY key")  # noqa: S608


def caught_up(lake: Lake, version: int) -> State:
    """Where the lake stands once it has read that version, and all that is made of it."""

    def state() -> State:
        return lake.state(["total", "sales"])

    def there() -> bool:
        found = state()
        return (
            found.versions.get("sales") == version
            and not found.unread
            and sorted_total(lake, "total") == sorted_total(lake, f"({TOTAL.select})")
        )

    assert supervision.wait_until(there, 30)
    return state()


def test_copy_holds_the_rows_wanted_with_partition_columns_and_null_for_what_a_file_lacks(
    lake: Lake, tmp_path: Path
) -> None:
    write_deltalake(
        tmp_path / "sales", rows((24, "mat", 2), (25, "lamp", 3), (25, "none", 0)), partition_by=["date"]
    )
    state = caught_up(lake, 0)
    assert state.trouble is None
    assert lake.query("SELECT date, product, twice, later FROM sales ORDER BY date") == [
        {"date": date(2026, 11, 24), "product": "mat", "twice": 4, "later": None},
        {"date": date(2026, 11, 25), "product": "lamp", "twice": 6, "later": None},
    ]


def test_copy_follows_appends_replacements_and_compaction(lake: Lake, tmp_path: Path) -> None:
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


def test_table_that_is_not_there_is_empty_and_appears_when_it_comes(lake: Lake, tmp_path: Path) -> None:
    assert lake.state(["sales"]).versions == {"sales": None}
    assert lake.query("SELECT * FROM sales") == []
    write_deltalake(tmp_path / "sales", rows((24, "mat", 2)), partition_by=["date"])
    caught_up(lake, 0)


def test_lake_out_of_reach_is_said_in_a_sentence() -> None:
    with closing(Lake(lambda: "hdfs://127.0.0.1:1/shopnow", [COPY])) as lake:
        state = lake.state(["sales"])
    assert state.unread == ("sales",)
    assert state.trouble is not None
    assert "check the address, that HDFS runs" in state.trouble


def test_a_query_without_memory_is_tried_again_and_then_says_so(lake: Lake) -> None:
    with pytest.raises(UserError, match="try again in a moment"):
        lake.query("SELECT list(number) FROM range(50_000_000) AS numbers(number)")
    assert lake.query("SELECT 1 AS one") == [{"one": 1}]


def test_large_answers_come_in_pieces(lake: Lake) -> None:
    pieces = lake.chunks("SELECT number::INT FROM range(?) AS numbers(number)", [2500], 1000)
    assert [len(piece) for piece in pieces] == [1000, 1000, 500]


def test_process_that_was_killed_is_started_again(lake: Lake, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "sales", rows((24, "mat", 2)), partition_by=["date"])
    caught_up(lake, 0)
    [process] = readers()
    process.kill()
    process.wait()
    caught_up(lake, 0)
    assert len(readers()) == 1


def test_reader_starts_in_a_server_with_many_open_files(lake: Lake) -> None:
    with ExitStack() as opened:
        for _ in range(1100):
            opened.enter_context(Path(os.devnull).open())
        assert lake.query("SELECT 1 AS one") == [{"one": 1}]


def test_no_process_is_left_when_the_one_that_started_it_is_killed(tmp_path: Path) -> None:
    script = (
        "from shopnow_tab_app import tables; from shopnow_tab_app.replica.client import Lake; "
        f"lake = Lake(lambda: {str(tmp_path)!r}, tables.COPIES); lake.query('SELECT 1'); print('up', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=PATHS
    ) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"up\n"
        [process] = readers(owner.pid)
        [folder] = {
            Path(file.path).parent for file in process.open_files() if file.path.endswith("copies.duckdb")
        }
        owner.kill()
    process.wait(10)
    assert not folder.exists()


def test_what_became_of_an_order_is_known_when_a_payment_or_delivery_comes(tmp_path: Path) -> None:
    sample_lake.make(str(tmp_path), 300, 2, sample_lake.NOW)
    with closing(Lake(lambda: str(tmp_path), tables.COPIES, tables.DERIVED)) as lake:
        names = [*(each.table for each in tables.DERIVED), *tables.ORDERS_NOW.keys]
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

        def agrees(derived: Derived) -> bool:
            found = [f"FROM {source}" for source in (derived.table, f"({derived.select})")]
            return not lake.query(
                f"({found[0]} EXCEPT ALL {found[1]}) UNION ALL ({found[1]} EXCEPT ALL {found[0]})"
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


def readers(of: int | None = None) -> list[psutil.Process]:
    """The processes that keep copies for this one, or for another."""
    return [
        each for each in psutil.Process(of).children() if "shopnow_tab_app.replica.server" in each.cmdline()
    ]


def test_what_cannot_be_started_is_said_and_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with closing(Lake(lambda: str(tmp_path), [COPY])) as lake:
        for _ in range(2):
            with pytest.raises(UserError, match=r"does not start|ended"):
                lake.query("SELECT 1")
            monkeypatch.undo()


def test_no_address_is_said() -> None:
    with (
        closing(Lake(lambda: {}["lake"], [COPY])) as lake,
        pytest.raises(UserError, match="Airflow does not say where the lake is"),
    ):
        lake.state(["sales"])
