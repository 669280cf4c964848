"""Tables that are searched, sorted and turned page by page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import HTTPException, Query

from shopnow_tab_app.replica.client import Lake

SIZE = 25


class PageQuery(NamedTuple):
    """Which rows are asked for."""

    search: str
    sort: str
    descending: bool
    page: int
    size: int


class Listing(NamedTuple):
    """A table that can be asked for rows: those of an SQL select, sorted and searched by these of its columns."""

    table: str
    columns: Sequence[str]
    searched: Sequence[str]
    tie: str
    """The column that orders rows which are otherwise equal."""

    def rows(
        self, lake: Lake, turn: PageQuery, where: str = "true", parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """The rows asked for."""
        if turn.sort not in self.columns:
            raise HTTPException(422, f"sort by one of {', '.join(self.columns)}")
        direction = "DESC" if turn.descending else "ASC"
        return lake.query(
            f'SELECT {", ".join(self.columns)} FROM "{self.table}" WHERE {self._found(turn)} AND {where} '  # noqa: S608  (names of our own)
            f"ORDER BY {turn.sort} {direction} NULLS LAST, {self.tie} LIMIT {turn.size} OFFSET {turn.page * turn.size}",
            self._bound(turn, parameters),
        )

    def chunks(
        self, lake: Lake, turn: PageQuery, where: str, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[list[tuple]]:
        """All rows that are found, so many at a time as a page has, in the order of `tie`."""
        sql = f'SELECT {", ".join(self.columns)} FROM "{self.table}" WHERE {self._found(turn)} AND {where} ORDER BY {self.tie}'  # noqa: S608
        return lake.chunks(sql, self._bound(turn, parameters), turn.size)

    def total(
        self, lake: Lake, turn: PageQuery, where: str = "true", parameters: Mapping[str, Any] | None = None
    ) -> int:
        """How many rows there are, on all pages."""
        sql = f'SELECT count(*) AS rows FROM "{self.table}" WHERE {self._found(turn)} AND {where}'  # noqa: S608
        return int(lake.query(sql, self._bound(turn, parameters))[0]["rows"])

    def _found(self, turn: PageQuery) -> str:
        return (
            f"({' OR '.join(f'contains(lower({column}), $search)' for column in self.searched)})"
            if turn.search
            else "true"
        )

    def _bound(self, turn: PageQuery, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**(parameters or {}), **({"search": turn.search.lower()} if turn.search else {})}


async def turn(
    search: Annotated[str, Query(max_length=100)] = "",
    sort: Annotated[str, Query(max_length=30)] = "event_time",
    descending: bool = True,
    page: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    size: Annotated[int, Query(ge=1, le=200)] = SIZE,
) -> PageQuery:
    """What is asked for, from the query."""
    return PageQuery(search.strip(), sort, descending, page, size)
