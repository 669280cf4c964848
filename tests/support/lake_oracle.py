"""The expected rows of every KPI table of a lake, computed by the oracle from events, without Spark."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
import pyarrow as pa

from shopnow import schemas
from shopnow.audit.kpi_diff import KpiDiff, diff
from shopnow.audit.kpi_oracle import KpiSettings, oracle
from shopnow.events import TOPIC_OF, TOPICS, Event
from shopnow.kpis import KPIS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.settings import Settings


def kpi_settings() -> KpiSettings:
    """Return the settings that the Spark jobs use by default."""
    level, days = (Settings.model_fields[name].default for name in ("service_level", "lead_time_days"))
    return KpiSettings(level, days)


def events_tables(events: Iterable[Event], offsets: Mapping[str, int] | None = None) -> dict[str, pa.Table]:
    """Return the rows of the events tables by topic.

    Args:
        offsets: Kafka offsets by event id; by default the offsets of a landing in the order of `events`.
    """
    rows: dict[str, list[dict]] = {topic: [] for topic in TOPICS}
    for event in events:
        topic_rows = rows[TOPIC_OF[type(event)].name]
        # Offsets may be missing, because KPIs use only those of stock events.
        offset = len(topic_rows) if offsets is None else offsets.get(event.event_id)
        topic_rows.append(msgspec.to_builtins(event, builtin_types=(datetime,)) | {"source_offset": offset})
    return {topic: pa.Table.from_pylist(rows[topic], schemas.events(TOPICS[topic])) for topic in TOPICS}


def compare(lake: str, events: Iterable[Event]) -> dict[str, KpiDiff]:
    """Compare each KPI table of the lake with the oracle's result for these events, each given once."""
    stock = tables.read(Table(lake, "events/stock").open(), ["event_id", "source_offset"])
    offsets = dict(zip(stock["event_id"].to_pylist(), stock["source_offset"].to_pylist(), strict=True))
    diffs = {}
    with oracle(kpi_settings()) as database:
        for topic, rows in events_tables(events, offsets).items():
            database.load(f"events/{topic}", rows)
        for kpi in KPIS:
            columns, name = [*kpi.value_columns, "computed_at"], f"{kpi.name} in the lake"
            database.store(name, tables.reader(Table(lake, kpi.name).open(), columns), columns)
            expected = database.compute(kpi, database.load_computed_times(kpi, name))
            diffs[kpi.name] = diff(database, kpi, expected, name)
            database.load(kpi.name, database.rows(kpi, expected))
    return diffs


def assert_kpis_match_oracle(lake: str, events: Iterable[Event]) -> None:
    """Assert that every KPI table of the lake has the rows that the oracle computes from these events."""
    assert [diff.first for diff in compare(lake, events).values() if diff.first] == []
