"""CSV export of a whole table of the pages."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shopnow import csv_text
from shopnow_tab_app.pages.paging import ALL, Filter, Listing
from shopnow_tab_app.replica.client import LakeReplica

CHUNK_ROWS = 2_000


def lines(lake: LakeReplica, listing: Listing, search: str = "", filter_: Filter = ALL) -> Iterator[str]:
    """Yield a table as CSV text, `CHUNK_ROWS` rows at a time, in the order of its `tie`."""
    yield csv_text.format_rows([[name.strip('"') for name in listing.columns]])
    for rows in listing.chunks(lake, search, CHUNK_ROWS, filter_):
        yield csv_text.format_rows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
