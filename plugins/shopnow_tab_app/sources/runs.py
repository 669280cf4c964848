"""The DAGs and their runs, read from Airflow's database."""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

from cachetools import TTLCache
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from shopnow import airflow_internals
from shopnow.airflow_internals import RunRecord

log = logging.getLogger(__name__)

T = TypeVar("T")

CACHE_SECONDS = 3.0


class Run(BaseModel):
    """A run of a DAG."""

    dag_id: str
    run_id: str
    state: str
    started: datetime | None
    ended: datetime | None


class Dag(BaseModel):
    """A DAG of the pipeline and its latest run."""

    dag_id: str
    description: str | None
    paused: bool
    run: Run | None


class CachedRead(Generic[T]):
    """A read from Airflow's database, cached for some seconds.

    The lock makes concurrent callers share one read. The last value outlives its cache entry, because it is
    returned for another period when the database does not answer.
    """

    def __init__(self, read: Callable[[], T], default: T, seconds: float) -> None:
        self._read, self._last = read, default
        self._cache: TTLCache[None, T] = TTLCache(maxsize=1, ttl=seconds)
        self._lock = Lock()

    def __call__(self) -> T:
        with self._lock:
            try:
                return self._cache[None]
            except KeyError:
                self._last = self._cache[None] = read_or_default(self._read, self._last)
                return self._last

    def invalidate(self) -> None:
        """Make the next call read the database."""
        with self._lock:
            self._cache.clear()


def _dags() -> list[Dag]:
    return [
        Dag(
            dag_id=dag.dag_id,
            description=dag.description,
            paused=dag.is_paused,
            run=dag.latest_run and to_run(dag.latest_run),
        )
        for dag in airflow_internals.list_dags()
    ]


dags: CachedRead[list[Dag]] = CachedRead(_dags, [], CACHE_SECONDS)
"""The pipeline's DAGs by name."""


def find_active_run(dag_id: str, moment: datetime) -> Run | None:
    """Return the run of a DAG that was active at a moment.

    Returns:
        None if Airflow has no such run, or its database does not answer.
    """

    def find() -> Run | None:
        run = airflow_internals.run_active_at(dag_id, moment)
        return run and to_run(run)

    return read_or_default(find, None)


def find_run(dag_id: str, run_id: str) -> Run | None:
    """Return a run of a DAG; None if Airflow has no such run, or its database does not answer."""

    def find() -> Run | None:
        run = airflow_internals.find_run(dag_id, run_id)
        return run and to_run(run)

    return read_or_default(find, None)


def read_or_default(read: Callable[[], T], default: T) -> T:
    """Return a read from Airflow's database, or `default` if the database does not answer."""
    try:
        return read()
    except SQLAlchemyError:
        # A database that is locked for a while should not make a page fail.
        log.warning("Airflow's database does not answer", exc_info=True)
        return default


def to_run(record: RunRecord) -> Run:
    """Convert a run of Airflow's database."""
    return Run(
        dag_id=record.dag_id,
        run_id=record.run_id,
        state=record.state,
        started=record.start_date,
        ended=record.end_date,
    )
