"""Airflow's own record of the DAGs' runs."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

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
    with create_session() as session:
        latest = select(func.max(DagRun.id)).group_by(DagRun.dag_id)
        runs = {run.dag_id: run for run in session.scalars(select(DagRun).where(DagRun.id.in_(latest)))}
        models = session.scalars(
            select(DagModel).where(DagModel.is_stale.is_(False)).order_by(DagModel.dag_id)
        )
        return [
            Dag(
                dag_id=model.dag_id,
                description=model.description,
                paused=bool(model.is_paused),
                run=run_of(runs[model.dag_id]) if model.dag_id in runs else None,
            )
            for model in models
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
    with create_session() as session:
        wanted = (
            select(DagRun)
            .where(DagRun.dag_id == dag_id, DagRun.start_date <= moment)
            .order_by(DagRun.start_date.desc())
            .limit(1)
        )
        run = session.scalars(wanted).first()
        return run_of(run) if run and (run.end_date is None or run.end_date >= moment) else None


def run_of(run: DagRun) -> Run:
    """A run as Airflow's database has it."""
    return Run(
        dag_id=run.dag_id, run_id=run.run_id, state=str(run.state), started=run.start_date, ended=run.end_date
    )
