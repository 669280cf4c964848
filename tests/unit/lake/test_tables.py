"""Making tables."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table


def test_many_at_once_make_one_table(tmp_path: Path):
    with ThreadPoolExecutor(4) as threads:
        made = list(
            threads.map(
                lambda _: Table(tmp_path.as_uri(), "kpi/x").ensure(pa.schema([("a", pa.int64())])), range(8)
            )
        )
    assert {table.version() for table in made} == {0}
    assert len({table.metadata().id for table in made}) == 1


def test_many_at_once_add_the_missing_columns_once(tmp_path: Path):
    lake, old, new = (
        tmp_path.as_uri(),
        pa.schema([("a", pa.int64())]),
        pa.schema([("b", pa.binary()), ("a", pa.int64()), ("c", pa.string())]),
    )
    write_deltalake(Table(lake, "kpi/x").ensure(old), pa.table({"a": [1]}, old), mode="append")
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: Table(lake, "kpi/x").ensure(new), range(8)))
    assert {table.version() for table in made} == {2}
    assert tables.read(made[0]).to_pylist() == [{"a": 1, "b": None, "c": None}]
    # A column that is not wanted any more stays.
    assert Table(lake, "kpi/x").ensure(old).version() == 2
