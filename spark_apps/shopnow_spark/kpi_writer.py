"""Putting newly computed KPI rows into their table, with what they were made from and what they restate."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from pyspark.sql import DataFrame

from shopnow.audit import audit_log
from shopnow.failpoints import reach
from shopnow.kpis import Kpi
from shopnow.lake.delta import tables
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage import completeness, lineage, restatements
from shopnow.lake.lineage.restatements import RESTATEMENTS, Cause, Restatement
from shopnow_spark.lake_reader import APPLICATION
from shopnow_spark.result import Refreshed

Changed = Mapping[str, Mapping[str, int | None] | None]
"""By events table, what `lineage.changed_dates` says of it."""


class Computed(NamedTuple):
    """When rows are computed, and what the latest audit by then has found, if there was one."""

    at: datetime
    audit: str | None


def now(lake: str) -> Computed:
    """Rows that are computed now."""
    audit = audit_log.latest(lake)
    return Computed(datetime.now(UTC), audit and audit.verdict)


class Plan(NamedTuple):
    """What is to become of a KPI table: new rows in place of those of some dates, or of all.

    `table` is the table as it stood when it was planned, `made_from` the versions of all tables behind the new rows and
    `raw` those of raw tables among them; `dates` is None for all. `losses` are those of the KPI's topics.
    """

    kpi: Kpi
    table: DeltaTable
    rows: DataFrame
    dates: Sequence[str] | None
    made_from: Mapping[str, int]
    raw: Mapping[str, int]
    changed: Changed
    losses: Sequence[Loss]


def publish(plan: Plan, rows: pa.Table, computed: Computed) -> Refreshed:
    """Replaces the rows in one commit; `rows` are those of the plan, computed.

    Raises:
        CommitFailedError: the table has changed since the plan was made.
    """
    kpi = plan.kpi
    rows = _with_proof(plan, rows, computed)
    metadata = {"userMetadata": lineage.describe(plan.made_from)}
    restated = _restated(plan, rows, computed.at) if kpi.restated else []
    if restated:
        metadata[RESTATEMENTS.key] = restatements.dumps(restated)
    point = kpi.name.replace("/", ":")
    reach(point)
    # Few rows, so they are written from here: a tenth of what a Spark write costs, against the very snapshot the lineage was
    # read from. The application transaction makes two runs at once conflict even over different dates.
    write_deltalake(
        plan.table,
        rows,
        mode="overwrite",
        predicate=_of_dates(plan.dates),
        commit_properties=CommitProperties(
            custom_metadata=metadata,
            app_transactions=[Transaction(APPLICATION, sum(plan.made_from.values()))],
        ),
    )
    reach(f"{point}_committed")
    written = rows["date"].cast(pa.string()).unique().to_pylist() if kpi.partition_by else []
    return Refreshed(kpi.name, None, len(rows), sorted(plan.dates or written), restated=restated)


def _with_proof(plan: Plan, rows: pa.Table, computed: Computed) -> pa.Table:
    """The rows with the columns that say when and from what they were made, and what is missing in them."""
    if plan.kpi.partition_by:
        found = {
            day: completeness.of_row(plan.losses, plan.kpi, day) for day in rows["date"].unique().to_pylist()
        }
        complete = [found[day] for day in rows["date"].to_pylist()]
    else:
        complete = [completeness.complete_but_for(plan.losses)] * len(rows)
    versions = json.dumps({name.removeprefix("raw/"): version for name, version in sorted(plan.raw.items())})
    proof = {
        "raw_versions": [versions] * len(rows),
        "computed_at": [computed.at] * len(rows),
        "missing_rows": [each.missing_rows for each in complete],
        "losses": [each.losses for each in complete],
        "audit": [computed.audit] * len(rows),
    }
    schema = plan.kpi.schema
    for name, values in proof.items():
        rows = rows.append_column(name, pa.array(values, schema.field(name).type))
    return rows.select(schema.names).cast(schema)


def _restated(plan: Plan, rows: pa.Table, computed_at: datetime) -> list[Restatement]:
    today = str(computed_at.date())
    if plan.dates is not None and all(date >= today for date in plan.dates):
        return []  # none of them has ended, let alone been published after its end
    published = tables.read(plan.table, predicate=_of_dates(plan.dates))
    days = {row for each in (published, rows) for row in each["date"].unique().to_pylist()}
    return restatements.find(plan.kpi, published, rows, {day: _cause(plan.changed, day) for day in days})


def _cause(changed: Changed, day: date) -> Cause:
    late, rewritten = {}, False
    for name, dates in changed.items():
        rows = None if dates is None else dates.get(str(day), 0)
        if rows is None:
            rewritten = True
        elif rows:
            late[name.removeprefix("events/")] = rows
    return Cause(late, "rebuild" if rewritten or not late else "")


def _of_dates(dates: Sequence[str] | None) -> str | None:
    return None if dates is None else f"date IN ({', '.join(map(repr, dates))})"
