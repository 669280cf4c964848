"""What every KPI table of a lake should hold, worked out apart from Spark, from the events as the generator made them."""

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
    """What the Spark jobs assume by default."""
    level, days = (Settings.model_fields[name].default for name in ("service_level", "lead_time_days"))
    return KpiSettings(level, days)


def as_tables(happened: Iterable[Event], offsets: Mapping[str, int] | None = None) -> dict[str, pa.Table]:
    """The rows of the events tables by topic; offsets by event id, or else as if landed in this order."""
    rows: dict[str, list[dict]] = {topic: [] for topic in TOPICS}
    for event in happened:
        mine = rows[TOPIC_OF[type(event)].name]
        offset = len(mine) if offsets is None else offsets.get(event.event_id)
        # Which offset an event has matters, and can be known, only for stock.
        mine.append(msgspec.to_builtins(event, builtin_types=(datetime,)) | {"source_offset": offset})
    return {topic: pa.Table.from_pylist(rows[topic], schemas.events(TOPICS[topic])) for topic in TOPICS}


def compare(lake: str, happened: Iterable[Event]) -> dict[str, KpiDiff]:
    """Each KPI table of the lake beside what these events make of it: all that happened, each once."""
    stock = tables.read(Table(lake, "events/stock").open(), ["event_id", "source_offset"])
    offsets = dict(zip(stock["event_id"].to_pylist(), stock["source_offset"].to_pylist(), strict=True))
    found = {}
    with oracle(kpi_settings()) as database:
        for topic, rows in as_tables(happened, offsets).items():
            database.load(f"events/{topic}", rows)
        for kpi in KPIS:
            columns, name = [*kpi.content, "computed_at"], f"{kpi.name} in the lake"
            database.store(name, tables.reader(Table(lake, kpi.name).open(), columns), columns)
            worked_out = database.compute(kpi, database.load_computed_times(kpi, name))
            found[kpi.name] = diff(database, kpi, worked_out, name)
            database.load(kpi.name, database.rows(kpi, worked_out))
    return found


def assert_kpis_true(lake: str, happened: Iterable[Event]) -> None:
    """Every KPI table of the lake says what these events say."""
    assert [each.first for each in compare(lake, happened).values() if each.first] == []
