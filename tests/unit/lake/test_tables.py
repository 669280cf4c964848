"""Making tables."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from shopnow.lake import tables


def test_many_at_once_make_one_table(tmp_path: Path):
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: tables.ensure(tmp_path.as_uri(), "kpi/x", pa.schema([("a", pa.int64())])), range(8)))
    assert {table.version() for table in made} == {0}
    assert len({table.metadata().id for table in made}) == 1
