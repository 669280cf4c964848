"""Bringing the lake's derived tables up to date: what is read, written and committed.

Every step first asks the lake, without Spark, what is new since the commit that last wrote the table, and does nothing
when that is nothing. Rows and the versions they were made from are one commit, so a run may be killed, repeated or run
twice at once: what was committed stays and the rest is done by the next run.
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
    """Brings all events and KPIs up to date, each as soon as what it is made from is; gives what was done to those that were not.

    Raises:
        OSError: the lake was not reached.
    """
    computed = kpi_writer.now(lake)
    lost: dict[str, list[Loss]] = {}

    def events(topic: str) -> Refreshed | None:
        done = refresh_events(lake, TOPICS[topic], start)
        lost[topic] = data_loss.read(
            lake, [topic]
        )  # afterwards: so none is left out that the events were landed past
        return done

    def kpi(each: Kpi) -> Refreshed | None:
        return refresh_kpi(
            lake, each, [loss for topic in each.topics for loss in lost[topic]], computed, start
        )

    work: dict[str, Callable[[], Refreshed | None]] = {
        f"events/{topic}": partial(events, topic) for topic in TOPICS
    }
    work |= {each.name: partial(kpi, each) for each in KPIS}
    refreshed = [each for each in scheduler.do(work).values() if each]
    if refreshed:
        commit_metadata.collect(lake, RESTATEMENTS)
    return refreshed
