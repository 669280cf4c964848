"""A lake in a folder, and tables in it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopnow.alerts.evaluate import STOCK
from shopnow.lake.delta.tables import Table as LakeTable

Stock = Callable[[Mapping[str, int]], None]
Table = Callable[[str, Sequence[Mapping[str, Any]]], None]

LAST = {"last_event_time": datetime(2026, 7, 1, tzinfo=UTC), "last_offset": 0}


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return tmp_path.as_uri()


@pytest.fixture
def table(lake: str) -> Table:
    """Overwrites a table with these rows."""

    def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        partition_by = ["date"] if "date" in rows[0] else None
        write_deltalake(
            LakeTable(lake, name).uri,
            pa.Table.from_pylist(list(rows)),
            mode="overwrite",
            partition_by=partition_by,
        )

    return write


@pytest.fixture
def stock(table: Table) -> Stock:
    """Writes the stock position: quantity by product name."""

    def write(quantities: Mapping[str, int]) -> None:
        rows = [
            {"product_id": name.lower(), "product_name": name, "quantity": quantity, **LAST}
            for name, quantity in quantities.items()
        ]
        table(STOCK, rows)

    return write
