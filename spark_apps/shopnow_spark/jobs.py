"""Bringing the lake's derived tables up to date: what is read, written and committed.

Every step first asks the lake, without Spark, what is new since the commit that last wrote the table, and does nothing
when that is nothing. Rows and the versions they were made from are one commit, so a run may be killed, repeated or run
twice at once: what was committed stays and the rest is done by the next run.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from graphlib import TopologicalSorter

from shopnow.events import TOPICS
from shopnow.kpis import KPIS, Kpi
from shopnow.lake import losses, statements
from shopnow.lake.losses import Loss
from shopnow.lake.restatements import RESTATEMENTS
from shopnow_spark import publishing
from shopnow_spark.frames import Start
from shopnow_spark.refresh_events import refresh_events
from shopnow_spark.refresh_kpis import refresh_kpi
from shopnow_spark.refreshed import Refreshed

# More than there are cores: much of a commit is waiting for HDFS.
THREADS = 4


def refresh(lake: str, start: Start) -> list[Refreshed]:
    """Brings all events and KPIs up to date, each as soon as what it is made from is; gives what was done to those that were not.

    Raises:
        OSError: the lake was not reached.
    """
    computed = publishing.now(lake)
    lost: dict[str, list[Loss]] = {}

    def events(topic: str) -> Refreshed | None:
        done = refresh_events(lake, TOPICS[topic], start)
        lost[topic] = losses.read(lake, [topic])  # afterwards: so none is left out that the events were landed past
        return done

    def kpi(each: Kpi) -> Refreshed | None:
        return refresh_kpi(lake, each, [loss for topic in each.topics for loss in lost[topic]], computed, start)

    work: dict[str, Callable[[], Refreshed | None]] = {f"events/{topic}": partial(events, topic) for topic in TOPICS}
    work |= {each.name: partial(kpi, each) for each in KPIS}
    done = _in_order({**dict.fromkeys(work, ()), **{each.name: [source.table for source in each.sources] for each in KPIS}}, work)
    refreshed = [each for each in (done[name] for name in work) if each]
    if refreshed:
        statements.collect(lake, RESTATEMENTS)
    return refreshed


def _in_order(after: Mapping[str, Iterable[str]], work: Mapping[str, Callable[[], Refreshed | None]]) -> dict[str, Refreshed | None]:
    """What each piece of work gives, begun as soon as those are done that it comes after; the first error ends it."""
    order = TopologicalSorter(after)
    order.prepare()
    done: dict[str, Refreshed | None] = {}
    running: dict[Future[Refreshed | None], str] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        while order.is_active():
            running |= {pool.submit(work[name]): name for name in order.get_ready()}
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(finished)
                done[name] = finished.result()
                order.done(name)
    return done
