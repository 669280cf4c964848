"""The pipeline page: lag of each topic, landed batches, quarantine, data loss, KPI tables and DAGs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shopnow import validation
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.ingest.lag import Position
from shopnow.text_format import excerpt, printable
from shopnow_tab_app.pages.batches import Batch, read_batches
from shopnow_tab_app.pages.csv_export import ListingExport
from shopnow_tab_app.pages.paging import ALL, Filter, Listing
from shopnow_tab_app.pages.positions import RAW_TABLES, Positions
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import Missing, PageResponse, as_of, missing
from shopnow_tab_app.pages.text_tables import TextTable
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState, TableStats
from shopnow_tab_app.sources import runs
from shopnow_tab_app.sources.polled_cache import PollResult

EVENT_TABLES = tuple(f"events/{topic}" for topic in TOPICS)
KPI_TABLES = tuple(kpi.name for kpi in KPIS if kpi.name != "kpi/customer_orders")
TABLES = (*RAW_TABLES.values(), *EVENT_TABLES, *KPI_TABLES, "receipts", "losses", "alerts")
MAX_EXAMPLES = 20
"""Quarantined records shown for each reason."""
EXAMPLE_BYTES = 2_000
_RECEIPTS = (
    "topic",
    "partition",
    "start_offset",
    "end_offset",
    "rows",
    "quarantined",
    "version",
    "committed_at",
)
_LOSSES = (
    "topic",
    "partition",
    "kind",
    "start_offset",
    "end_offset",
    "missing_rows",
    "reason",
    "acknowledged_by",
    "committed_at",
)
RECEIPTS = Listing("receipts", _RECEIPTS, ("topic",), "partition", "committed_at")
LOSSES = Listing("losses", _LOSSES, ("topic",), "partition", "committed_at")


def filter_rows(lake: LakeReplica, query: Query) -> Filter:
    """Return the condition of all rows, as the page has no filters."""
    return ALL


EXPORTS = {
    "receipts": ListingExport(TextTable("batches_and_receipts", _RECEIPTS), RECEIPTS, filter_rows),
    "losses": ListingExport(TextTable("data_loss", _LOSSES), LOSSES, filter_rows),
}


class Partition(BaseModel):
    partition: int
    earliest: int
    stable: int
    landed: int | None
    lag: int


class Topic(BaseModel):
    """Record counts of a topic from Kafka to events; null if unknown."""

    topic: str
    records: int | None
    """Offsets that Kafka holds, transaction markers included."""
    lag: int | None
    held_back: int | None
    """Offsets that cannot be read yet, because a producer has left a transaction open."""
    partitions: list[Partition]
    raw: int | None
    quarantined: int
    events: int | None


class Record(BaseModel):
    partition: int
    offset: int
    timestamp: datetime | None
    problem: str
    value: str
    """The first bytes of the record, as text."""


class Reason(BaseModel):
    reason: str
    topic: str
    records: int
    examples: list[Record]


class Loss(BaseModel):
    topic: str
    partition: int
    kind: str
    start_offset: int
    end_offset: int | None
    missing_rows: int | None
    reason: str
    acknowledged_by: str
    committed_at: datetime


class TableState(BaseModel):
    """A KPI table."""

    table: str
    title: str
    version: int | None
    rows: int | None
    computed_at: datetime | None


class Pipeline(PageResponse):
    topics: list[Topic]
    batches: list[Batch]
    quarantine: list[Reason]
    losses: list[Loss]
    kpis: list[TableState]
    alerts: int
    """Number of firing alerts."""
    dags: list[runs.Dag]


def build(
    lake: LakeReplica, positions: PollResult[Positions], dags: list[runs.Dag], state: ReplicaState
) -> Pipeline:
    """Build the page."""
    stats = lake.table_stats(TABLES)
    kafka = (
        [Missing(what="kafka", why=positions.error, as_of=positions.fetched_at)] if positions.error else []
    )
    return Pipeline(
        as_of=as_of(state),
        missing=[*kafka, *missing(state)],
        topics=[
            _topic(lake, topic, positions.value.get(topic, []), stats, is_raw_read=table not in state.unread)
            for topic, table in RAW_TABLES.items()
        ],
        batches=read_batches(lake),
        quarantine=[reason for topic in TOPICS for reason in _reasons(lake, topic)],
        losses=[Loss(**row) for row in _losses(lake)],
        kpis=[_kpi_table(lake, kpi.name, kpi.title, stats) for kpi in KPIS if kpi.name in KPI_TABLES],
        alerts=_count_firing(lake),
        dags=dags,
    )


def _topic(
    lake: LakeReplica,
    topic: str,
    positions: Sequence[Position],
    stats: Mapping[str, TableStats],
    is_raw_read: bool,
) -> Topic:
    """Return a topic's counts; its landed offsets are unknown until its raw table was read."""
    quarantined = lake.query(f'SELECT count(*) AS records FROM "raw/{topic}"')[0]["records"]  # noqa: S608  (a name of our own)
    landed = positions if is_raw_read else []
    return Topic(
        topic=topic,
        records=sum(position.stable - position.earliest for position in positions) if positions else None,
        lag=sum(position.lag for position in landed) if landed else None,
        held_back=sum(position.held_back for position in positions) if positions else None,
        partitions=[
            Partition(
                partition=position.partition,
                earliest=position.earliest,
                stable=position.stable,
                landed=position.landed,
                lag=position.lag,
            )
            for position in landed
        ],
        raw=_rows(stats, f"raw/{topic}"),
        quarantined=quarantined,
        events=_rows(stats, f"events/{topic}"),
    )


def _losses(lake: LakeReplica) -> list[dict[str, Any]]:
    return lake.query(
        """
        SELECT topic, partition, kind, start_offset, end_offset, missing_rows, reason, acknowledged_by,
            committed_at
        FROM losses ORDER BY committed_at DESC
        """
    )


def _reasons(lake: LakeReplica, topic: str) -> list[Reason]:
    rows = lake.query(
        f"""
        SELECT problem, count(*) AS records, max(timestamp) AS latest FROM "raw/{topic}" GROUP BY problem
        """  # noqa: S608
    )
    counts: Counter[str] = Counter()
    latest: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row["latest"], reverse=True):
        reason = validation.reason_of(row["problem"])
        counts[reason] += row["records"]
        latest.setdefault(reason, []).append(row["problem"])
    examples = _examples(
        lake,
        topic,
        {problem: reason for reason in latest for problem in latest[reason][:MAX_EXAMPLES]},
    )
    return [
        Reason(reason=reason, topic=topic, records=count, examples=examples.get(reason, []))
        for reason, count in counts.most_common()
    ]


def _examples(lake: LakeReplica, topic: str, reasons: Mapping[str, str]) -> dict[str, list[Record]]:
    """Return the latest records of each reason, in one query however many reasons there are.

    Args:
        reasons: the reason of each problem to look for.
    """
    rows = lake.query(
        f"""
        SELECT reason, partition, "offset", timestamp, problem, value FROM "raw/{topic}"
        JOIN (SELECT unnest(?) AS problem, unnest(?) AS reason) USING (problem)
        WINDOW latest AS (PARTITION BY reason ORDER BY timestamp DESC, partition, "offset" DESC)
        QUALIFY row_number() OVER latest <= {MAX_EXAMPLES}
        ORDER BY timestamp DESC, partition, "offset" DESC
        """,  # noqa: S608
        [list(reasons), list(reasons.values())],
    )
    examples: dict[str, list[Record]] = {}
    for row in rows:
        value = printable(excerpt(row.pop("value") or b"", EXAMPLE_BYTES))
        examples.setdefault(row.pop("reason"), []).append(Record(**row, value=value))
    return examples


def _rows(stats: Mapping[str, TableStats], table: str) -> int | None:
    return stats[table].rows if table in stats else None


def _kpi_table(lake: LakeReplica, table: str, title: str, stats: Mapping[str, TableStats]) -> TableState:
    computed_at = lake.query(f'SELECT max(computed_at) AS computed_at FROM "{table}"')[0]["computed_at"]  # noqa: S608
    version = stats[table].version if table in stats else None
    return TableState(
        table=table, title=title, version=version, rows=_rows(stats, table), computed_at=computed_at
    )


def _count_firing(lake: LakeReplica) -> int:
    return lake.query(
        """
        SELECT count(*) FILTER (state = 'firing') AS alerts FROM (
            SELECT state FROM alerts WHERE kind = 'alert'
            QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY sequence DESC, "at" DESC) = 1
        )
        """
    )[0]["alerts"]
