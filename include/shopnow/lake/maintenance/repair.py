"""Repair the damaged files of the lake, from the layer below or from Kafka.

| damaged | restored from |
|---|---|
| a data file of raw | Kafka, or files that compaction has replaced, with the digests of the receipts |
| a commit of raw | receipts and Kafka |
| a file of receipts, losses, amendments, restatements | the commits they are collected from |
| events, KPIs | raw, by the Spark application `repair_lake` |
| a checkpoint | the commits |
| anything else (alerts, audits) | nothing: its damaged files are removed once that is acknowledged |

Each table is replaced in one commit. Repair is idempotent and may run while data flows.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from shopnow import schemas
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.delta import commit_metadata, errors
from shopnow.lake.delta.commit_metadata import CommitTable
from shopnow.lake.delta.errors import one_line
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.log_integrity import LOG, checkpoint_name
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.data_loss import Acknowledgement
from shopnow.lake.ingest.landing import PARTITION_BY
from shopnow.lake.maintenance import damage, repair_collected, repair_log, repair_raw
from shopnow.lake.maintenance.damage import CHECKSUMS, COLLECTED, TableState
from shopnow.lake.maintenance.repair_log import TableSchema
from shopnow.schemas import RAW

Report = Callable[[str, str], None]

FAILPOINTS = (
    "repair:write",
    "repair:commit",
    "repair:committed",
    "repair:log",
    "repair:reset",
    "repair:checkpoint",
    "repair:collected",
    "repair:remove",
)
"""Failpoints of a run. See `shopnow.failpoints`."""

RESTORED, TO_REPAIR, TO_COMPUTE, BEYOND = "restored", "to repair", "to compute", "beyond repair"

_COLLECTED = {commit_table.table: commit_table for commit_table in COLLECTED}


class Outcome(NamedTuple):
    """What became of one damaged table."""

    table: str
    outcome: str
    """`restored`; `to repair`, of a dry run; `to compute`, by Spark; or `beyond repair`."""
    detail: str


class UnknownTable(UserError):
    """The lake does not have the table that was to be repaired."""


def repair(
    conf: Conf,
    lake: str,
    table: str | None = None,
    *,
    acknowledgement: Acknowledgement | None = None,
    dry_run: bool = False,
    report: Report = lambda subject, what: None,
) -> list[Outcome]:
    """Repair the lake, or one table of it; return the outcome of each damaged table.

    Events and KPIs whose outcome is `to compute` are left to the Spark application `repair_lake`.

    Args:
        acknowledgement: approval to remove rows that cannot be restored, and to record the loss.
        dry_run: find the damage, and change nothing.

    Raises:
        UnknownTable: the lake does not have the table.
        UserError: Kafka does not respond.
        OSError: the lake does not respond.
    """
    states = damage.check(lake, report)
    selected = [name for name in _in_order(states) if table in {None, name}]
    if table is not None and not selected:
        raise UnknownTable(
            f"the lake has no table {table!r}; it has {', '.join(sorted(states)) or 'none yet'}"
        )
    outcomes: list[Outcome] = []
    damaged = [name for name, state in states.items() if state.damages]
    for name in selected:
        # Rows of raw may be missing without a damaged file, as receipts tell, which come first.
        is_counted = name.startswith("raw/") and not (dry_run and damaged)
        if states[name].damages or is_counted:
            report(name, "repair")
            try:
                outcomes += _repair_table(conf, Table(lake, name), states[name], acknowledgement, dry_run)
            except UserError as error:
                outcomes.append(Outcome(name, BEYOND, str(error)))
            # Other damage may stand in the way; the other tables are repaired all the same.
            except Exception as error:
                errors.check_reachable(lake)
                outcomes.append(Outcome(name, BEYOND, f"not repaired: {one_line(error)}"))
    return outcomes


def _in_order(names: Iterable[str]) -> list[str]:
    """Return the names with each table after its sources."""
    order = ("losses", "amendments", "receipts", "raw/", "events/", "kpi/")
    return sorted(
        names,
        key=lambda name: (
            next((index for index, prefix in enumerate(order) if name.startswith(prefix)), len(order)),
            name,
        ),
    )


def _repair_table(
    conf: Conf, table: Table, state: TableState, acknowledgement: Acknowledgement | None, dry_run: bool
) -> list[Outcome]:
    name, what = table.name, "; ".join(f"{found.file} {found.problem}" for found in state.damages)
    if dry_run and state.damages:
        return [Outcome(name, TO_REPAIR, what)]
    if name == CHECKSUMS:
        # The next audit writes it again.
        Store(table.lake).remove(name)
        return [Outcome(name, RESTORED, f"{what}; removed, the next audit writes it again")]
    outcomes: list[Outcome] = []
    if state.log.damages and not dry_run:
        outcomes.append(_repair_log(conf, table, state))
    if name.startswith("raw/"):
        if outcomes:
            state = damage.check_table(table, {})
        return outcomes + _repair_raw(conf, table, state, acknowledgement, dry_run)
    if name.startswith(("events/", "kpi/")):
        return [*outcomes, Outcome(name, TO_COMPUTE, what)]
    files = state.damaged_data_files
    if name in _COLLECTED:
        return outcomes + _repair_collected(table, _COLLECTED[name], files)
    if files:
        removed = repair_collected.remove_files(table, files, acknowledgement, dry_run=dry_run)
        detail = f"{removed.rows:,} rows exist nowhere else: {what}"
        outcomes.append(Outcome(name, RESTORED if removed.is_committed else BEYOND, detail))
    return outcomes


def _repair_log(conf: Conf, table: Table, state: TableState) -> Outcome:
    files, schema = state.log, _schema(table.name)
    if files.damaged_commits:
        if schema is None:
            raise UserError(
                f"{table.name}: a commit is damaged, and its rows exist nowhere else: beyond repair. Restore "
                "the table from a backup"
            )
        if table.name.startswith("raw/"):
            repair_log.repair_raw_commits(conf, table, files, schema)
        else:
            commit_table = _COLLECTED.get(table.name)
            if commit_table is not None and any(
                version > files.checkpoint for version in files.damaged_commits
            ):
                repair_collected.check_collectable(table.lake, commit_table)
            repair_log.reset_derived(table, files, schema)
            if commit_table is not None:
                commit_metadata.collect(table.lake, commit_table)
    damage.forget_checksums(table.lake, table.name, [found.file for found in files.damages])
    current = damage.check_table(table, {})
    is_complete = not current.log.damages
    if not is_complete:
        is_complete = repair_log.repair_checkpoints(table, current.log)
        # The new checkpoint may replace one of the same version, in other bytes.
        written = f"{LOG}/{checkpoint_name(table.version())}" if is_complete else LOG
        damage.forget_checksums(table.lake, table.name, [written])
    detail = "; ".join(f"{found.file} {found.problem}" for found in files.damages)
    return Outcome(table.name, RESTORED if is_complete else BEYOND, detail)


def _repair_raw(
    conf: Conf, table: Table, state: TableState, acknowledgement: Acknowledgement | None, dry_run: bool
) -> list[Outcome]:
    result = repair_raw.repair(conf, table, state.damaged_data_files, acknowledgement, dry_run=dry_run)
    if result is None:
        return []
    losses = "; ".join(map(str, result.losses))
    if result.is_committed:
        detail = f"{result.rows:,} rows restored" + (f"; recorded as lost: {losses}" if losses else "")
        return [Outcome(table.name, RESTORED, f"{detail}: {', '.join(result.files) or 'in no file'}")]
    if dry_run:
        return [Outcome(table.name, TO_REPAIR, f"{result.rows:,} rows can be restored; {losses}")]
    return [
        Outcome(
            table.name,
            BEYOND,
            f"{losses}. To go on without them and restore {result.rows:,} others, run again with "
            '--acknowledge-loss "why that is right"',
        )
    ]


def _repair_collected(table: Table, commit_table: CommitTable, files: set[str]) -> list[Outcome]:
    if not files:
        return []
    rows = repair_collected.collect_again(table.lake, commit_table, files)
    return [Outcome(table.name, RESTORED, f"{rows:,} rows collected again")]


def _schema(name: str) -> TableSchema | None:
    """Return columns and partition columns of a table that can be written again; None for others."""
    folder, _, topic = name.partition("/")
    if folder == "raw":
        return RAW, PARTITION_BY
    if folder == "events" and topic in TOPICS:
        return schemas.events(TOPICS[topic]), ["event_date"]
    if name in _COLLECTED:
        return _COLLECTED[name].schema, ["date"]
    return next(((kpi.schema, kpi.partition_by) for kpi in KPIS if kpi.name == name), None)
