"""Refresh the lake's derived tables: typed events from raw records, KPIs from events.

Every step first finds out, without Spark, what is new since the last commit of its table, and does nothing if
there is nothing new. Rows and the source versions they were derived from are in one commit, so the refresh is
idempotent: it may be killed, repeated or run concurrently, and the next run completes it.
"""

from collections.abc import Callable
from functools import partial

from shopnow.events import TOPICS
from shopnow.kpis import KPIS, Kpi
from shopnow.lake.delta import commit_metadata
from shopnow.lake.ingest import data_loss
from shopnow.lake.ingest.data_loss import Loss
from shopnow.lake.lineage.restatements import RESTATEMENTS
from shopnow_spark import kpi_writer, scheduler
from shopnow_spark.lake_reader import Start
from shopnow_spark.refresh_events import refresh_events
from shopnow_spark.refresh_kpis import refresh_kpi
from shopnow_spark.result import Refreshed


def refresh(lake: str, start: Start) -> list[Refreshed]:
    """Refresh all events and KPIs in dependency order; return the results of the tables that changed.

    Raises:
        OSError: the lake does not answer.
    """
    computation = kpi_writer.start_computation(lake)
    losses: dict[str, list[Loss]] = {}

    def events(topic: str) -> Refreshed | None:
        result = refresh_events(lake, TOPICS[topic], start)
        # Read after the events, so that no loss is missing that landing skipped before these events.
        losses[topic] = data_loss.read(lake, [topic])
        return result

    def kpi(definition: Kpi) -> Refreshed | None:
        concerning = [loss for topic in definition.topics for loss in losses[topic]]
        return refresh_kpi(lake, definition, concerning, computation, start)

    work: dict[str, Callable[[], Refreshed | None]] = {
        f"events/{topic}": partial(events, topic) for topic in TOPICS
    }
    work |= {definition.name: partial(kpi, definition) for definition in KPIS}
    results = scheduler.run_in_dependency_order(work).values()
    refreshed = [result for result in results if result]
    if refreshed:
        commit_metadata.collect(lake, RESTATEMENTS)
    return refreshed
