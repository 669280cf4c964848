"""The pipeline: how far each step has come, what it took, what is in quarantine, and what is lost."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shopnow import validation
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake.ingest import lag
from shopnow.lake.ingest.lag import Position
from shopnow.text_format import excerpt, printable
from shopnow_tab_app import runs
from shopnow_tab_app.polled_cache import Last
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.replica.protocol import State, TableStats
from shopnow_tab_app.response_cache import Answer, Missing, as_of, missing

RAW = tuple(f"raw/{topic}" for topic in TOPICS)
EVENTS = tuple(f"events/{topic}" for topic in TOPICS)
MADE = tuple(kpi.name for kpi in KPIS if kpi.name != "kpi/customer_orders")
TABLES = (*RAW, *EVENTS, *MADE, "receipts", "losses", "alerts")
BATCHES = 30
RECORDS = 20
"""So many records of each reason are shown, of so many bytes at most."""
BYTES = 2_000


class Partition(BaseModel):
    partition: int
    earliest: int
    stable: int
    landed: int | None
    lag: int


class Topic(BaseModel):
    """A topic from Kafka to events; null is what cannot be known now."""

    topic: str
    records: int | None
    """Offsets that Kafka holds; transaction markers among them count as well."""
    lag: int | None
    partitions: list[Partition]
    raw: int | None
    quarantined: int
    events: int | None


class Batch(BaseModel):
    """A landing commit: what it took from a topic's partitions."""

    topic: str
    version: int
    committed_at: datetime
    rows: int
    quarantined: int
    ranges: list[str]
    """`partition: first–last offset`."""
    first_event_time: datetime | None
    last_event_time: datetime | None


class Record(BaseModel):
    partition: int
    offset: int
    timestamp: datetime | None
    problem: str
    value: str
    """Its first bytes as text."""


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


class Pipeline(Answer):
    topics: list[Topic]
    batches: list[Batch]
    quarantine: list[Reason]
    losses: list[Loss]
    kpis: list[TableState]
    alerts: int
    """Alerts firing."""
    dags: list[runs.Dag]


Positions = dict[str, list[Position]]
"""Where Kafka and the lake stand, by topic."""


class Where:
    """Where they stand now. How far a raw table has come is read of HDFS once for each version."""

    def __init__(self, conf: Callable[[], Conf], lake: Lake) -> None:
        self._conf, self._lake = conf, lake
        self._landed: dict[str, _Landed] = {}
        self._last: Positions = {}

    def __call__(self) -> Positions:
        """The positions; those before while the lake cannot be read, which it says itself.

        Raises:
            UserError: Kafka does not answer.
        """
        stands = self._lake.stands(RAW)
        self._landed = {
            topic: kept
            if (kept := self._landed.get(topic)) and kept.version == stand.version
            else _Landed(self._lake, name, stand.version)
            for topic, name in zip(TOPICS, RAW, strict=True)
            if (stand := stands.get(name))
        }
        states = topics.describe(self._conf(), TOPICS)
        with suppress(UserError):
            found: Positions = {topic: [] for topic in TOPICS}
            for each in lag.compute_positions(states, self._landed):
                found[each.topic].append(each)
            self._last = found
        return self._last


class _Landed:
    """A version of a raw table, as far as it says how far it has come."""

    def __init__(self, lake: Lake, table: str, version: int) -> None:
        self._lake, self._table, self.version = lake, table, version
        self._known: dict[str, int | None] = {}

    def transaction_version(self, app_id: str) -> int | None:
        if app_id not in self._known:
            self._known[app_id] = self._lake.transaction_version(self._table, app_id)
        return self._known[app_id]


def pipeline(lake: Lake, where: Last[Positions], dags: list[runs.Dag], state: State) -> Pipeline:
    """All of the page."""
    stands = lake.stands(TABLES)
    return Pipeline(
        as_of=as_of(state),
        missing=[
            *([Missing(what="kafka", why=where.trouble, as_of=where.at)] if where.trouble else []),
            *missing(state),
        ],
        topics=[
            _topic(lake, name, where.value.get(name, []), stands, f"raw/{name}" not in state.unread)
            for name in TOPICS
        ],
        batches=[Batch(**row) for row in _batches(lake)],
        quarantine=[reason for topic in TOPICS for reason in _reasons(lake, topic)],
        losses=[
            Loss(**row)
            for row in lake.query(
                "SELECT topic, partition, kind, start_offset, end_offset, missing_rows, reason, acknowledged_by, committed_at "
                "FROM losses ORDER BY committed_at DESC"
            )
        ],
        kpis=[_made(lake, kpi.name, kpi.title, stands) for kpi in KPIS if kpi.name in MADE],
        alerts=_firing(lake),
        dags=dags,
    )


def _topic(
    lake: Lake, name: str, where: Sequence[Position], stands: Mapping[str, TableStats], read: bool
) -> Topic:
    """A topic; how far it has landed is known once its raw table was read."""
    quarantined = lake.query(f'SELECT count(*) AS records FROM "raw/{name}"')[0]["records"]  # noqa: S608  (a name of our own)
    landed = where if read else []
    return Topic(
        topic=name,
        records=sum(each.stable - each.earliest for each in where) if where else None,
        lag=sum(each.lag for each in landed) if landed else None,
        partitions=[
            Partition(
                partition=each.partition,
                earliest=each.earliest,
                stable=each.stable,
                landed=each.landed,
                lag=each.lag,
            )
            for each in landed
        ],
        raw=_rows(stands, f"raw/{name}"),
        quarantined=quarantined,
        events=_rows(stands, f"events/{name}"),
    )


def _batches(lake: Lake) -> list[dict[str, Any]]:
    return lake.query(
        f"""
        SELECT topic, version, any_value(committed_at) AS committed_at, sum(rows)::BIGINT AS rows, sum(quarantined)::BIGINT AS quarantined,
            list(partition || ': ' || start_offset || '–' || (end_offset - 1) ORDER BY partition) AS ranges,
            min(first_event_time) AS first_event_time, max(last_event_time) AS last_event_time
        FROM receipts GROUP BY topic, version ORDER BY committed_at DESC, topic LIMIT {BATCHES}
        """  # noqa: S608  (a number of our own)
    )


def _reasons(lake: Lake, topic: str) -> list[Reason]:
    rows = lake.query(
        f"""
        SELECT problem, count(*) AS records, max(timestamp) AS latest FROM "raw/{topic}" GROUP BY problem
        """  # noqa: S608
    )
    counts: dict[str, int] = {}
    examples: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row["latest"], reverse=True):
        reason = validation.reason_of(row["problem"])
        counts[reason] = counts.get(reason, 0) + row["records"]
        examples.setdefault(reason, []).append(row["problem"])
    return [
        Reason(
            reason=reason,
            topic=topic,
            records=count,
            examples=_examples(lake, topic, examples[reason][:RECORDS]),
        )
        for reason, count in sorted(counts.items(), key=lambda item: -item[1])
    ]


def _examples(lake: Lake, topic: str, found: list[str]) -> list[Record]:
    rows = lake.query(
        f"""
        SELECT partition, "offset", timestamp, problem, value FROM "raw/{topic}" WHERE problem IN (SELECT unnest(?))
        ORDER BY timestamp DESC, partition, "offset" DESC LIMIT {RECORDS}
        """,  # noqa: S608
        [found],
    )
    return [Record(**{**row, "value": printable(excerpt(row["value"] or b"", BYTES))}) for row in rows]


def _rows(stands: Mapping[str, TableStats], name: str) -> int | None:
    return stands[name].rows if name in stands else None


def _made(lake: Lake, name: str, title: str, stands: Mapping[str, TableStats]) -> TableState:
    computed = lake.query(f'SELECT max(computed_at) AS computed_at FROM "{name}"')[0]["computed_at"]  # noqa: S608
    version = stands[name].version if name in stands else None
    return TableState(
        table=name, title=title, version=version, rows=_rows(stands, name), computed_at=computed
    )


def _firing(lake: Lake) -> int:
    return lake.query(
        """
        SELECT count(*) FILTER (state = 'firing') AS alerts FROM (
            SELECT state FROM alerts WHERE kind = 'alert'
            QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY sequence DESC, "at" DESC) = 1
        )
        """
    )[0]["alerts"]
