"""The figures of a day, read from the current KPI tables."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from shopnow import kpis
from shopnow.audit import audit_log
from shopnow.dates import end_of_day
from shopnow.kpis import Kpi
from shopnow.lake.delta import commit_metadata, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage.restatements import RESTATEMENTS

WEEK = timedelta(days=7)

REPORTED = (
    kpis.SALES_DAILY,
    kpis.SALES_HOURLY,
    kpis.TRENDS,
    kpis.SALES_BY_CATEGORY,
    kpis.SALES_BY_COUNTRY,
    kpis.TOP_PRODUCTS,
    kpis.FUNNEL,
    kpis.PAYMENTS,
    kpis.DELIVERIES,
    kpis.CUSTOMERS,
    kpis.COHORTS,
    kpis.STOCK_OUTS,
    kpis.STOCK_COVER,
    kpis.ANOMALIES,
)
"""The tables of a report, in its order."""

_COMPARED_TABLES = (kpis.SALES_DAILY, kpis.SALES_HOURLY)

Row = Mapping[str, Any]


class Figures(NamedTuple):
    """All figures of a day; rows are dicts by column, in no particular order."""

    day: date
    read_at: datetime
    rows: Mapping[str, list[Row]]
    """The day's rows by KPI table; a table that does not exist yet is absent."""
    previous: Mapping[str, list[Row]]
    """Rows of the same day of the previous week, of the tables that are compared."""
    restated: list[Row]
    """Rows of `restatements` of figures of the day, or recorded on the day."""
    losses: list[Loss]
    """Losses that affect a figure of the day."""
    audit: audit_log.Audit | None
    """The latest audit."""

    @property
    def is_day_over(self) -> bool:
        """Whether the day was over when its figures were read, so that they are comparable."""
        return self.read_at >= end_of_day(self.day)

    def rows_of(self, kpi: Kpi) -> list[Row]:
        return self.rows.get(kpi.name, [])

    @property
    def currencies(self) -> list[str]:
        """Currencies of the day, the one with the most orders first."""
        return [
            row["currency"]
            for row in sorted(
                self.rows_of(kpis.SALES_DAILY), key=lambda row: (-row["orders"], row["currency"])
            )
        ]


def read(lake: str, day: date, at: datetime) -> Figures:
    """Read the figures of a day.

    Raises:
        UserError: the commits that record restatements or losses are no longer in the log.
        OSError, DeltaError: HDFS does not answer, or a table is damaged.
    """
    rows = {kpi.name: kpi_rows for kpi in REPORTED if (kpi_rows := _read(lake, kpi, day)) is not None}
    previous = {kpi.name: _read(lake, kpi, day - WEEK) or [] for kpi in _COMPARED_TABLES}
    loss_ids = {loss_id for kpi_rows in rows.values() for row in kpi_rows for loss_id in row["losses"] or ()}
    losses = [loss for loss in data_loss.read(lake) if loss.id in loss_ids] if loss_ids else []
    return Figures(day, at, rows, previous, list(_restated(lake, day)), losses, audit_log.latest(lake))


def _read(lake: str, kpi: Kpi, day: date) -> list[Row] | None:
    if not Table(lake, kpi.name).exists():
        return None
    predicate = f"date = '{day.replace(day=1) if kpi.is_monthly else day}'" if kpi.partition_by else None
    rows = tables.read(Table(lake, kpi.name).open(), predicate=predicate).to_pylist()
    # A table lacks columns that were added to its definition after it was last computed.
    empty_row = dict.fromkeys(kpi.schema.names)
    return [empty_row | row for row in rows if kpi is not kpis.STOCK_OUTS or _touches(row, day)]


def _touches(stock_out: Row, day: date) -> bool:
    """Return whether a product was out of stock at any time of the day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return stock_out["started_at"] < end_of_day(day) and (
        stock_out["ended_at"] is None or stock_out["ended_at"] > start
    )


def _restated(lake: str, day: date) -> Iterator[Row]:
    for source in RESTATEMENTS.sources:
        for row in commit_metadata.read(Table(lake, source), RESTATEMENTS).to_pylist():
            if day in {row["kpi_date"], row["date"]}:
                yield row
