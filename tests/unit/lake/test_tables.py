"""Creating, extending and writing tables."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table


def test_concurrent_calls_create_one_table(tmp_path: Path) -> None:
    table, schema = Table(tmp_path.as_uri(), "kpi/x"), pa.schema([("a", pa.int64())])
    with ThreadPoolExecutor(4) as threads:
        snapshots = list(threads.map(lambda _: table.ensure(schema), range(8)))
    assert {snapshot.version() for snapshot in snapshots} == {0}
    assert len({snapshot.metadata().id for snapshot in snapshots}) == 1


def test_concurrent_calls_add_the_missing_columns_once(tmp_path: Path) -> None:
    table = Table(tmp_path.as_uri(), "kpi/x")
    old = pa.schema([("a", pa.int64())])
    new = pa.schema([("b", pa.binary()), ("a", pa.int64()), ("c", pa.string())])
    tables.write(table.ensure(old), pa.table({"a": [1]}, old))
    with ThreadPoolExecutor(4) as threads:
        snapshots = list(threads.map(lambda _: table.ensure(new), range(8)))
    assert {snapshot.version() for snapshot in snapshots} == {2}
    assert tables.read(snapshots[0]).to_pylist() == [{"a": 1, "b": None, "c": None}]
    # A column that a newer schema omits stays.
    assert table.ensure(old).version() == 2


@pytest.mark.parametrize("options", [{}, {"mode": "overwrite"}, {"mode": "overwrite", "predicate": "a = 1"}])
def test_writes_to_a_table_with_the_column_comments_of_an_older_release(
    tmp_path: Path, options: dict
) -> None:
    def schema(comment: str) -> pa.Schema:
        return pa.schema([pa.field("a", pa.int64(), nullable=False, metadata={"comment": comment})])

    table = Table(tmp_path.as_uri(), "kpi/x")
    table.ensure(schema("old"))
    rows = pa.table({"a": [1]}, schema("new"))
    tables.write(table.ensure(rows.schema), rows, **options)
    assert tables.read(table.open()).to_pylist() == [{"a": 1}]
    with pytest.raises(Exception, match="different values for key comment"):
        write_deltalake(table.open(), rows, mode="append")
