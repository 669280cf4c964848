"""Tables of the pages: search, sort, filter and pagination."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import HTTPException, Query

from shopnow_tab_app.pages.period import Period
from shopnow_tab_app.replica.client import LakeReplica

PAGE_SIZE = 25


class PageQuery(NamedTuple):
    """Search, order and page of rows."""

    search: str
    sort: str | None
    """A column; None for the newest rows first."""
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
    time: str = ""
    """The column of the rows' time or day, if they can be filtered by period."""

    def filter(self, values: Mapping[str, Any], period: Period | None = None) -> Filter:
        """Return the filter of rows with these values, and of this period.

        It ignores None and columns that the table does not have.
        """
        parameters = {
            name: value for name, value in values.items() if value is not None and name in self.columns
        }
        conditions = [f"{name} = ${name}" for name in parameters]
        if period and self.time:
            conditions += [f"{self.time} >= $first::DATE", f"{self.time} < $last::DATE + 1"]
            parameters |= period._asdict()
        return Filter(" AND ".join(["true", *conditions]), parameters)

    def rows(self, lake: LakeReplica, query: PageQuery, filter_: Filter = ALL) -> list[dict[str, Any]]:
        """Return the rows of a page."""
        return lake.query(
            f"{self._sorted(query, filter_)} LIMIT {query.size} OFFSET {query.page * query.size}",
            self._parameters(query, filter_),
        )

    def chunks(
        self, lake: LakeReplica, query: PageQuery, size: int, filter_: Filter = ALL
    ) -> Iterator[list[tuple]]:
        """Yield the rows of all pages, in their order, in chunks of `size` rows."""
        return lake.chunks(self._sorted(query, filter_), self._parameters(query, filter_), size)

    def total(self, lake: LakeReplica, query: PageQuery, filter_: Filter = ALL) -> int:
        """Return the number of rows on all pages."""
        sql = f"SELECT count(*) AS rows FROM ({self._select(query, filter_)})"  # noqa: S608
        return int(lake.query(sql, self._parameters(query, filter_))[0]["rows"])

    def _sorted(self, query: PageQuery, filter_: Filter) -> str:
        column = query.sort or self.time or self.tie
        if column not in self.columns:
            raise HTTPException(
                422, f"unknown sort column {column!r}; choose one of {', '.join(self.columns)}"
            )
        direction = "DESC" if query.descending else "ASC"
        return f"{self._select(query, filter_)} ORDER BY {column} {direction} NULLS LAST, {self.tie}"

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
    sort: Annotated[str, Query(max_length=30, description="a column; default: the newest rows first")] = "",
    descending: bool = True,
    page: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    size: Annotated[int, Query(ge=1, le=200)] = PAGE_SIZE,
) -> PageQuery:
    """Read search, order and page from the query parameters."""
    return PageQuery(search.strip(), sort or None, descending, page, size)
