"""Work on the derived tables, several at once, each begun as soon as those are done that it is made from."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

from shopnow.events import TOPICS
from shopnow.kpis import KPIS

# More than there are cores: much of a commit is waiting for HDFS.
THREADS = 4

T = TypeVar("T")

AFTER: Mapping[str, Iterable[str]] = {
    **{f"events/{topic}": () for topic in TOPICS},
    **{kpi.name: [source.table for source in kpi.sources] for kpi in KPIS},
}
"""The derived tables, each with those it is made from."""


def do(work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """What the work on each derived table gives, in the order of `work`; nothing more is begun after the first error, which is raised."""
    order = TopologicalSorter(AFTER)
    order.prepare()
    done: dict[str, T] = {}
    running: dict[Future[T], str] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        while order.is_active():
            running |= {pool.submit(work[name]): name for name in order.get_ready()}
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(finished)
                done[name] = finished.result()
                order.done(name)
    return {name: done[name] for name in work}
