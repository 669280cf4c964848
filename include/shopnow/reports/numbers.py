"""The figures of a day, read from the current KPI tables."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from shopnow import kpis
from shopnow.audit import audit_log
from shopnow.dates import add_days_clamped, end_of_day
from shopnow.kpis import Kpi
from shopnow.lake.delta import commit_metadata, tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow.text_format import one_line

T = TypeVar("T")
_log = logging.getLogger(__name__)


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
    failures: Mapping[str, str] = {}
    """Why a table could not be read, by its title or name."""

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
                self.rows_of(kpis.SALES_DAILY), key=lambda row: (-(row["orders"] or 0), row["currency"])
            )
        ]


def read(lake: str, day: date, at: datetime) -> Figures:
    """Read the figures of a day; a table that cannot be read is named in `failures`.

    Raises:
        OSError: no table can be read, such as when HDFS does not answer.
    """
    failures: dict[str, str] = {}

    def attempt(name: str, read_part: Callable[[], T]) -> T | None:
        try:
            return read_part()
        except Exception as error:
            _log.exception("%s cannot be read", name)
            failures[name] = describe_failure(error)
            return None

    rows: dict[str, list[Row]] = {}
    for kpi in REPORTED:
        kpi_rows = attempt(kpi.title, partial(_read, lake, kpi, day))
        if kpi_rows is not None:
            rows[kpi.name] = kpi_rows
    if len(failures) == len(REPORTED):
        raise OSError(f"no table of the lake can be read: {failures[REPORTED[0].title]}")
    previous: dict[str, list[Row]] = {}
    week_before = add_days_clamped(day, -7)
    for kpi in _COMPARED_TABLES:
        kpi_rows = attempt(f"{kpi.title} a week earlier", partial(_read, lake, kpi, week_before))
        previous[kpi.name] = kpi_rows or []
    loss_ids = {loss_id for kpi_rows in rows.values() for row in kpi_rows for loss_id in row["losses"] or ()}
    losses = (attempt("Losses", partial(data_loss.read, lake)) if loss_ids else None) or []
    return Figures(
        day,
        at,
        rows,
        previous,
        attempt("Restatements", lambda: list(_restated(lake, day))) or [],
        [loss for loss in losses if loss.id in loss_ids],
        attempt("Audit", partial(audit_log.latest, lake)),
        failures,
    )


def describe_failure(error: Exception) -> str:
    """Return the reason of a failure on one line, for the reader of the report."""
    return one_line(f"{type(error).__name__}: {error}", max_length=200)


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
