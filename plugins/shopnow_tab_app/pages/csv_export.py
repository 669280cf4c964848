"""CSV exports: the rows that a page shows, for programs or for the spreadsheet of a reader."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel

from shopnow import csv_text
from shopnow_tab_app.i18n import Translator
from shopnow_tab_app.pages.paging import Filter, Listing
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica

CHUNK_ROWS = 2_000

Row = Mapping[str, Any]


class ListingExport(NamedTuple):
    """Rows of the lake."""

    table: TextTable
    """The columns for a reader; programs get all fields."""
    listing: Listing
    filter: Callable[[LakeReplica, Query], Filter]
    """Returns the condition of the rows that a request asks for."""

    @property
    def fields(self) -> Sequence[str]:
        return self.listing.columns

    def read(self, lake: LakeReplica, query: Query) -> Iterator[list[Row]]:
        """Return the rows on all pages, in the order that the query asks for; refuse an invalid query."""
        chunks = self.listing.chunks(lake, query.rows, CHUNK_ROWS, self.filter(lake, query))
        return ([dict(zip(self.fields, row, strict=True)) for row in chunk] for chunk in chunks)


class ResponseExport(NamedTuple):
    """Rows of the page's response."""

    table: TextTable
    """The columns for a reader; programs get all fields."""
    model: type[BaseModel]
    """Type of the rows."""
    rows: Callable[[Any], Sequence[BaseModel]]
    """Takes the rows from the response."""
    left_out: Sequence[str] = ()
    """Fields that are no single values."""

    @property
    def fields(self) -> Sequence[str]:
        return [name for name in self.model.model_fields if name not in self.left_out]


Export = ListingExport | ResponseExport


def lines(
    export: Export, chunks: Iterable[Sequence[Row]], t: Translator | None, currency: str | None = None
) -> Iterator[str]:
    """Yield a table as CSV text, a chunk of its rows at a time.

    Args:
        export: the table.
        chunks: its rows.
        t: translator of the reader's language; None for programs, which get the names and values of the API.
        currency: that of the amounts if the rows have none.
    """
    if t is None:
        yield csv_text.format_rows([export.fields])
        for rows in chunks:
            yield csv_text.format_rows([_cell(row[name]) for name in export.fields] for row in rows)
        return
    delimiter = ";" if t.decimal_comma else ","
    # The byte order mark tells Excel the encoding.
    yield "\ufeff" + csv_text.format_rows([export.table.spreadsheet_headings(t)], delimiter)
    for rows in chunks:
        cells = (export.table.spreadsheet_cells(row, t, currency) for row in rows)
        yield csv_text.format_rows(cells, delimiter)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
