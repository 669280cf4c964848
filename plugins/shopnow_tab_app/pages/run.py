"""The page of a DAG run, in the Airflow UI: the receipts and KPI rows that were committed while it ran."""

from datetime import date, datetime

from pydantic import BaseModel

from shopnow.kpis import KPIS
from shopnow_tab_app.pages.batches import Batch, read_batches
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.replica.tables import COPIES
from shopnow_tab_app.sources import runs

_COPIED = {copy.table for copy in COPIES}
_KPI_TABLES = tuple(kpi for kpi in KPIS if kpi.name in _COPIED)
TABLES = ("receipts", *(kpi.name for kpi in _KPI_TABLES))


class ComputedTable(BaseModel):
    """A KPI table with rows that were computed during the run and are still current."""

    table: str
    rows: int
    first: date | None
    """The earliest date of these rows; null in a table without dates."""
    last: date | None
    missing_rows: int | None
    """Upper bound on the records that their sources lack; null if unknown."""


class RunPage(PageResponse):
    run: runs.Run | None
    """Null if Airflow has no such run, or its database does not answer."""
    batches: list[Batch]
    """The newest first."""
    computed: list[ComputedTable]


SHOWN_BATCHES = TextTable("batches_and_receipts", ("committed_at", "topic", "rows", "quarantined"))
SHOWN_COMPUTED = TextTable("computed_tables", ("table", "rows", "first", "last"))


def build(lake: LakeReplica, run: runs.Run | None, query: Query, state: ReplicaState) -> RunPage:
    """Build the page of a run; one that has not started has committed nothing."""
    if run is None or run.started is None:
        return RunPage(as_of=as_of(state), missing=missing(state), run=run, batches=[], computed=[])
    return RunPage(
        as_of=as_of(state),
        missing=missing(state),
        run=run,
        batches=read_batches(lake, run.started, run.ended),
        computed=_computed(lake, run.started, run.ended),
    )


def _computed(lake: LakeReplica, start: datetime, end: datetime | None) -> list[ComputedTable]:
    tables = " UNION ALL ".join(
        f"""
        SELECT {number} AS number, '{kpi.name}' AS "table",
            {kpi.partition_by[0] if kpi.partition_by else "NULL"}::DATE AS date, missing_rows
        FROM "{kpi.name}" WHERE computed_at >= $start
            AND computed_at <= coalesce($end::TIMESTAMPTZ, 'infinity')
        """  # noqa: S608  (names of our own)
        for number, kpi in enumerate(_KPI_TABLES)
    )
    rows = lake.query(
        f"""
        SELECT "table", count(*) AS rows, min(date) AS first, max(date) AS last,
            CASE WHEN count(missing_rows) = count(*) THEN max(missing_rows) END AS missing_rows
        FROM ({tables}) GROUP BY number, "table" ORDER BY number
        """,  # noqa: S608
        {"start": start, "end": end},
    )
    return [ComputedTable(**row) for row in rows]
