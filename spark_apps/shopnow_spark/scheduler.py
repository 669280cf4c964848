"""Run the work on derived tables concurrently, each as soon as the tables it depends on are done."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

from shopnow.events import TOPICS
from shopnow.kpis import KPIS

# More threads than cores, as a commit mostly waits for HDFS.
THREADS = 4

T = TypeVar("T")

DEPENDENCIES: Mapping[str, Iterable[str]] = {
    **{f"events/{topic}": () for topic in TOPICS},
    **{kpi.name: [source.table for source in kpi.sources] for kpi in KPIS},
}
"""The tables that each derived table depends on."""


def run_in_dependency_order(work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """Run the work on each derived table and return the results in the order of `work`.

    The first error is raised; no further work is started after it.
    """
    order = TopologicalSorter(DEPENDENCIES)
    order.prepare()
    results: dict[str, T] = {}
    running: dict[Future[T], str] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        while order.is_active():
            running |= {pool.submit(work[name]): name for name in order.get_ready()}
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(finished)
                results[name] = finished.result()
                order.done(name)
    return {name: results[name] for name in work}
