"""Write computed KPI rows to their table, with their lineage, completeness and restatements."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from pyspark.sql import DataFrame

from shopnow.audit import audit_log
from shopnow.failpoints import failpoint
from shopnow.kpis import Kpi
from shopnow.lake.delta import tables
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage import completeness, lineage, restatements
from shopnow.lake.lineage.restatements import RESTATEMENTS, Cause, Restatement
from shopnow_spark.lake_reader import APPLICATION
from shopnow_spark.result import Refreshed

ChangedDates = Mapping[str, Mapping[str, int | None] | None]
"""Result of `lineage.changed_dates` by source table."""


class Computation(NamedTuple):
    """Time of a computation, and the verdict of the latest audit before it, if any."""

    at: datetime
    audit: str | None


def start_computation(lake: str) -> Computation:
    """Start a computation at the current time."""
    audit = audit_log.latest(lake)
    return Computation(datetime.now(UTC), audit and audit.verdict)


class Plan(NamedTuple):
    """Planned replacement of the rows of some dates of a KPI table, or of all rows.

    `table` is the snapshot at planning time, `sources` the versions of all tables that the new rows depend
    on, and `raw` those of the raw tables among them; `dates` is None for all dates. `losses` are those of the
    KPI's topics.
    """

    kpi: Kpi
    table: DeltaTable
    rows: DataFrame
    dates: Sequence[str] | None
    sources: Mapping[str, int]
    raw: Mapping[str, int]
    changed: ChangedDates
    losses: Sequence[Loss]


def publish(
    plan: Plan, rows: pa.Table, computation: Computation, *, read_published: bool = True
) -> Refreshed:
    """Replace the planned rows with the computed `rows` in one commit.

    Args:
        read_published: compare with the present rows to record restatements.

    Raises:
        CommitFailedError: the table changed after planning.
    """
    kpi = plan.kpi
    rows = _with_provenance(plan, rows, computation)
    metadata = {"userMetadata": lineage.describe(plan.sources)}
    is_compared = kpi.tracks_restatements and read_published
    restated = _restatements(plan, rows, computation.at) if is_compared else []
    if restated:
        metadata[RESTATEMENTS.key] = restatements.dumps(restated)
    point = kpi.name.replace("/", ":")
    failpoint(point)
    # KPI rows are few, so delta-rs writes them at a tenth of the cost of Spark, against the snapshot that the
    # lineage was read from. The app transaction makes concurrent runs conflict even over different dates.
    tables.write(
        plan.table,
        rows,
        mode="overwrite",
        predicate=_date_predicate(plan.dates),
        commit_properties=CommitProperties(
            custom_metadata=metadata,
            app_transactions=[Transaction(APPLICATION, sum(plan.sources.values()))],
        ),
    )
    failpoint(f"{point}_committed")
    written = rows["date"].cast(pa.string()).unique().to_pylist() if kpi.partition_by else []
    return Refreshed(kpi.name, None, len(rows), sorted(plan.dates or written), restated=restated)


def _with_provenance(plan: Plan, rows: pa.Table, computation: Computation) -> pa.Table:
    """Append the columns on lineage, time of computation and completeness."""
    if plan.kpi.partition_by:
        by_day = {
            day: completeness.for_row(plan.losses, plan.kpi, day) for day in rows["date"].unique().to_pylist()
        }
        complete = [by_day[day] for day in rows["date"].to_pylist()]
    else:
        complete = [completeness.summarize_losses(plan.losses)] * len(rows)
    versions = json.dumps({name.removeprefix("raw/"): version for name, version in sorted(plan.raw.items())})
    provenance = {
        "raw_versions": [versions] * len(rows),
        "computed_at": [computation.at] * len(rows),
        "missing_rows": [entry.missing_rows for entry in complete],
        "losses": [entry.losses for entry in complete],
        "audit": [computation.audit] * len(rows),
    }
    schema = plan.kpi.schema
    for name, values in provenance.items():
        rows = rows.append_column(name, pa.array(values, schema.field(name).type))
    return rows.select(schema.names).cast(schema)


def _restatements(plan: Plan, rows: pa.Table, computed_at: datetime) -> list[Restatement]:
    today = str(computed_at.date())
    if plan.dates is not None and all(date >= today for date in plan.dates):
        return []  # only figures of days that have ended count as published
    published = tables.read(plan.table, predicate=_date_predicate(plan.dates))
    days = {day for table in (published, rows) for day in table["date"].unique().to_pylist()}
    return restatements.find(plan.kpi, published, rows, {day: _cause(plan.changed, day) for day in days})


def _cause(changed: ChangedDates, day: date) -> Cause:
    late, rewritten = {}, False
    for name, dates in changed.items():
        rows = None if dates is None else dates.get(str(day), 0)
        if rows is None:
            rewritten = True
        elif rows:
            late[name.removeprefix("events/")] = rows
    return Cause(late, "rebuild" if rewritten or not late else "")


def _date_predicate(dates: Sequence[str] | None) -> str | None:
    return None if dates is None else f"date IN ({', '.join(map(repr, dates))})"
