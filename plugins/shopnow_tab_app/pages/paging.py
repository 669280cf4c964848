"""Tables of the pages: search, sort, filter and pagination."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import HTTPException, Query

from shopnow_tab_app.replica.client import LakeReplica

PAGE_SIZE = 25


class PageQuery(NamedTuple):
    """Search, order and page of rows."""

    search: str
    sort: str
    descending: bool
    page: int
    size: int


class Filter(NamedTuple):
    """Condition of the rows to show."""

    condition: str = "true"
    """An SQL expression."""
    parameters: Mapping[str, Any] = {}
    """Its parameters, by name."""


ALL = Filter()


class Listing(NamedTuple):
    """A table whose rows can be searched, sorted and exported."""

    table: str
    columns: Sequence[str]
    """SQL names of the columns."""
    searched: Sequence[str]
    """Columns that the search looks into."""
    tie: str
    """The column that orders rows which are otherwise equal."""

    def filter(self, **values: Any) -> Filter:
        """Return the filter of rows with these values, ignoring None and columns the table does not have."""
        parameters = {
            name: value for name, value in values.items() if value is not None and name in self.columns
        }
        return Filter(" AND ".join(["true", *(f"{name} = ${name}" for name in parameters)]), parameters)

    def rows(self, lake: LakeReplica, query: PageQuery, filter_: Filter = ALL) -> list[dict[str, Any]]:
        """Return the rows of a page."""
        if query.sort not in self.columns:
            raise HTTPException(
                422, f"unknown sort column {query.sort!r}; choose one of {', '.join(self.columns)}"
            )
        direction = "DESC" if query.descending else "ASC"
        return lake.query(
            f"{self._select(query, filter_)} "
            f"ORDER BY {query.sort} {direction} NULLS LAST, {self.tie} "
            f"LIMIT {query.size} OFFSET {query.page * query.size}",
            self._parameters(query, filter_),
        )

    def chunks(
        self, lake: LakeReplica, search: str, size: int, filter_: Filter = ALL
    ) -> Iterator[list[tuple]]:
        """Yield all rows of a search in the order of `tie`, in chunks of `size` rows."""
        query = PageQuery(search, self.tie, False, 0, size)
        sql = f"{self._select(query, filter_)} ORDER BY {self.tie}"
        return lake.chunks(sql, self._parameters(query, filter_), size)

    def total(self, lake: LakeReplica, query: PageQuery, filter_: Filter = ALL) -> int:
        """Return the number of rows on all pages."""
        sql = f"SELECT count(*) AS rows FROM ({self._select(query, filter_)})"  # noqa: S608
        return int(lake.query(sql, self._parameters(query, filter_))[0]["rows"])

    def _select(self, query: PageQuery, filter_: Filter) -> str:
        search = " OR ".join(f"contains(lower({column}), $search)" for column in self.searched)
        return (
            f'SELECT {", ".join(self.columns)} FROM "{self.table}" '  # noqa: S608  (names of our own)
            f"WHERE ({search if query.search else 'true'}) AND {filter_.condition}"
        )

    def _parameters(self, query: PageQuery, filter_: Filter) -> dict[str, Any]:
        return {**filter_.parameters, **({"search": query.search.lower()} if query.search else {})}


async def page_query(
    search: Annotated[str, Query(max_length=100)] = "",
    sort: Annotated[str, Query(max_length=30)] = "event_time",
    descending: bool = True,
    page: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    size: Annotated[int, Query(ge=1, le=200)] = PAGE_SIZE,
) -> PageQuery:
    """Read search, order and page from the query parameters."""
    return PageQuery(search.strip(), sort, descending, page, size)
