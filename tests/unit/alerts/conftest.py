"""A lake in a folder, and stock in it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopnow.alerts.watch import STOCK
from shopnow.lake import tables

Stock = Callable[[Mapping[str, int]], None]

LAST = {"last_event_time": datetime(2026, 7, 1, tzinfo=UTC), "last_offset": 0}


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return tmp_path.as_uri()


@pytest.fixture
def stock(lake: str) -> Stock:
    """Writes the stock position: quantity by product name."""

    def write(quantities: Mapping[str, int]) -> None:
        rows = [{"product_id": name.lower(), "product_name": name, "quantity": quantity, **LAST} for name, quantity in quantities.items()]
        write_deltalake(tables.uri(lake, STOCK), pa.Table.from_pylist(rows), mode="overwrite")

    return write
