"""Replace damaged files of derived tables: events from raw, by day, and KPIs from events, by table.

Each table or day is replaced in one commit, so a job that is killed leaves it as it was or repaired. The rows
are computed by the functions of a refresh; damaged files are not read.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial

from shopnow.events import TOPICS, Topic
from shopnow.kpis import KPIS, Kpi
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss
from shopnow.lake.maintenance import damage
from shopnow_spark import kpi_writer, scheduler
from shopnow_spark.lake_reader import Start
from shopnow_spark.rebuild import Rebuilt, rebuild_events
from shopnow_spark.refresh_events import refresh_events
from shopnow_spark.refresh_kpis import refresh_kpi
from shopnow_spark.result import Refreshed

Result = Rebuilt | Refreshed

_EVENT_DATE = re.compile(r"event_date=(\d{4}-\d{2}-\d{2})/")


def repair(lake: str, start: Start) -> list[Result]:
    """Repair all damaged events and KPI tables whose log can be read, then refresh all of them.

    Raises:
        UserError: a day cannot be rebuilt, as raw no longer has its records.
        OSError: the lake does not answer.
    """
    recorded = damage.read_checksums(lake)
    computation = kpi_writer.start_computation(lake)

    def damaged_files(name: str) -> set[str]:
        table = Table(lake, name)
        if not table.exists():
            return set()
        return damage.check_table(table, recorded.get(name, {})).damaged_data_files

    def events(topic: Topic) -> list[Result]:
        files = damaged_files(f"events/{topic.name}")
        rebuilt = [rebuild_events(lake, topic, day, start, files) for day in _days(files)]
        return [result for result in (*rebuilt, refresh_events(lake, topic, start)) if result]

    def kpi(definition: Kpi) -> list[Result]:
        losses = data_loss.read(lake, definition.topics)
        from_scratch = bool(damaged_files(definition.name))
        result = refresh_kpi(lake, definition, losses, computation, start, from_scratch=from_scratch)
        return [result] if result else []

    work: dict[str, Callable[[], list[Result]]] = {
        f"events/{name}": partial(events, topic) for name, topic in TOPICS.items()
    }
    work |= {definition.name: partial(kpi, definition) for definition in KPIS}
    return [result for results in scheduler.run_in_dependency_order(work).values() for result in results]


def _days(files: Iterable[str]) -> list[date]:
    """Return the days of these files of an events table."""
    return sorted({date.fromisoformat(match[1]) for file in files if (match := _EVENT_DATE.search(file))})
