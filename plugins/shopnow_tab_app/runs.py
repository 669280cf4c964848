"""Airflow's own record of the DAGs' runs."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from shopnow import airflow_internals
from shopnow.airflow_internals import RunRecord

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_SECONDS = 3.0


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


class Kept(Generic[T]):
    """What is read of Airflow's database, read again when somebody asks and it is more than some seconds old."""

    def __init__(self, read: Callable[[], T], otherwise: T, seconds: float) -> None:
        self._read, self._value, self._seconds = read, otherwise, seconds
        self._at: float | None = None
        self._lock = Lock()

    def __call__(self) -> T:
        with self._lock:
            if self._at is None or time.monotonic() - self._at > self._seconds:
                self._value, self._at = known(self._read, self._value), time.monotonic()
            return self._value

    def forget(self) -> None:
        """Have it read again the next time."""
        with self._lock:
            self._at = None


def _dags() -> list[Dag]:
    return [
        Dag(
            dag_id=dag.dag_id,
            description=dag.description,
            paused=dag.is_paused,
            run=dag.latest_run and run_of(dag.latest_run),
        )
        for dag in airflow_internals.list_dags()
    ]


dags: Kept[list[Dag]] = Kept(_dags, [], KEPT_SECONDS)
"""The pipeline's DAGs by name."""


def at(dag_id: str, moment: datetime) -> Run | None:
    """The run of a DAG that was going on at a moment; None if Airflow does not know it, or its database does not answer."""
    return known(lambda: _at(dag_id, moment), None)


def known(read: Callable[[], T], otherwise: T) -> T:
    """What is read of Airflow's database; `otherwise` if it does not answer."""
    try:
        return read()
    except SQLAlchemyError:
        # With SQLite it may be locked for a while; no page should fail for that.
        log.warning("Airflow's database does not answer", exc_info=True)
        return otherwise


def _at(dag_id: str, moment: datetime) -> Run | None:
    run = airflow_internals.run_active_at(dag_id, moment)
    return run and run_of(run)


def run_of(run: RunRecord) -> Run:
    """A run as Airflow's database has it."""
    return Run(
        dag_id=run.dag_id, run_id=run.run_id, state=run.state, started=run.start_date, ended=run.end_date
    )
