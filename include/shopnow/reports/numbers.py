"""The figures of a day, as the KPI tables have them now."""

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
"""The tables a report tells of, in its order."""

_COMPARED = (kpis.SALES_DAILY, kpis.SALES_HOURLY)

Row = Mapping[str, Any]


class Figures(NamedTuple):
    """What is known of a day; rows as dicts by column, in an order of their own."""

    day: date
    at: datetime
    """When they were read."""
    rows: Mapping[str, list[Row]]
    """The day's rows by KPI table; a table that is not there yet is absent."""
    before: Mapping[str, list[Row]]
    """Those of the same day of the week before, of the tables that are compared."""
    restated: list[Row]
    """Rows of `restatements`: of figures of the day, and of those of other days that were put on record on it."""
    losses: list[Loss]
    """Those that concern a figure of the day."""
    audit: audit_log.Audit | None
    """The latest."""

    @property
    def over(self) -> bool:
        """Whether the day was over when its figures were read, so that it may be compared with another."""
        return self.at >= end_of_day(self.day)

    def of(self, kpi: Kpi) -> list[Row]:
        return self.rows.get(kpi.name, [])

    @property
    def currencies(self) -> list[str]:
        """Those of the day, that with the most orders first."""
        return [
            row["currency"]
            for row in sorted(self.of(kpis.SALES_DAILY), key=lambda row: (-row["orders"], row["currency"]))
        ]


def read(lake: str, day: date, at: datetime) -> Figures:
    """The figures of a day.

    Raises:
        UserError: what commits say of restatements or losses is lost.
        OSError, DeltaError: HDFS does not answer, or a table is damaged.
    """
    rows = {kpi.name: found for kpi in REPORTED if (found := _read(lake, kpi, day)) is not None}
    before = {kpi.name: _read(lake, kpi, day - WEEK) or [] for kpi in _COMPARED}
    concerned = {loss for kpi_rows in rows.values() for row in kpi_rows for loss in row["losses"] or ()}
    lost = [loss for loss in data_loss.read(lake) if loss.id in concerned] if concerned else []
    return Figures(day, at, rows, before, list(_restated(lake, day)), lost, audit_log.latest(lake))


def _read(lake: str, kpi: Kpi, day: date) -> list[Row] | None:
    if not Table(lake, kpi.name).exists():
        return None
    where = f"date = '{day.replace(day=1) if kpi.monthly else day}'" if kpi.partition_by else None
    rows = tables.read(Table(lake, kpi.name).open(), predicate=where).to_pylist()
    # A table lacks the columns that came to its definition since it was last computed.
    blank = dict.fromkeys(kpi.schema.names)
    return [blank | row for row in rows if kpi is not kpis.STOCK_OUTS or _touches(row, day)]


def _touches(stock_out: Row, day: date) -> bool:
    """Whether a product was out of stock at any time of the day."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return stock_out["started_at"] < end_of_day(day) and (
        stock_out["ended_at"] is None or stock_out["ended_at"] > begin
    )


def _restated(lake: str, day: date) -> Iterator[Row]:
    for source in RESTATEMENTS.sources:
        for row in commit_metadata.read(lake, RESTATEMENTS, source).to_pylist():
            if day in {row["kpi_date"], row["date"]}:
                yield row
