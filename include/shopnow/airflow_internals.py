"""The only module that uses Airflow beyond its public interface (`airflow.sdk`, REST API, plugin hooks).

Airflow may change what is used here in any release; `tests/unit/test_airflow_internals.py` then fails and
names the part that changed. Only `notifications/smtp_session.py` uses the SMTP provider's private client.

Airflow is imported inside the functions: each process needs only some of them, and the imports cost seconds.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple


class RunRecord(NamedTuple):
    """A DAG run as Airflow's metadata database has it."""

    dag_id: str
    run_id: str
    state: str
    start_date: datetime | None
    end_date: datetime | None
    conf: Mapping[str, Any]
    triggering_user_name: str | None


class DagRecord(NamedTuple):
    """A DAG as Airflow's metadata database has it, with its latest run."""

    dag_id: str
    description: str | None
    is_paused: bool
    latest_run: RunRecord | None


class UnknownDagError(LookupError):
    """Airflow's metadata database has no DAG of that id."""


class InvalidConfError(ValueError):
    """The conf of a run does not match the DAG's params, or cannot be stored."""


def trigger_run_from_task(dag_id: str, run_id: str, conf: dict[str, Any]) -> bool:
    """Trigger a DAG run from inside a running task; idempotent by `run_id`.

    The public way, TriggerDagRunOperator, takes one task per run. A task that triggers several runs has to
    send the operator's request to the supervisor itself.

    Returns:
        Whether the run is new; False if one with that id exists.

    Raises:
        AirflowRuntimeError: Airflow refuses the request.
    """
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import TriggerDagRun

    try:
        _ask_supervisor(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf))
    except AirflowRuntimeError as error:
        if error.error.error == ErrorType.DAGRUN_ALREADY_EXISTS:
            return False
        raise
    return True


def restart_run_from_task(dag_id: str, run_id: str) -> None:
    """Run all tasks of an existing DAG run again, from inside a running task.

    Raises:
        AirflowRuntimeError: Airflow refuses the request.
    """
    from airflow.sdk.execution_time.comms import TriggerDagRun

    _ask_supervisor(TriggerDagRun(dag_id=dag_id, run_id=run_id, reset_dag_run=True))


def task_states_from_task(dag_id: str, task_id: str, run_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the state of a task in DAG runs by run id, from inside a running task.

    Runs that do not exist are not in the result.

    Raises:
        AirflowRuntimeError: Airflow refuses the request.
    """
    from airflow.sdk.execution_time.comms import GetTaskStates

    response = _ask_supervisor(GetTaskStates(dag_id=dag_id, task_ids=[task_id], run_ids=list(run_ids)))
    return {run_id: states[task_id] for run_id, states in response.task_states.items()}


def _ask_supervisor(request: Any) -> Any:
    """Send a request to the supervisor of the running task; returns its response."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.comms import ErrorResponse
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    response = SUPERVISOR_COMMS.send(request)
    if isinstance(response, ErrorResponse):
        raise AirflowRuntimeError(response)
    return response


def trigger_run_as_user(dag_id: str, run_id: str, conf: dict[str, Any], username: str) -> RunRecord:
    """Trigger a DAG run in a user's name from inside the API server; idempotent by `run_id`.

    The REST API would need the user's own token, which the pages of a plugin do not see.

    Raises:
        UnknownDagError: Airflow has no such DAG.
        InvalidConfError: `conf` does not match the DAG's params, or the database cannot store it.
        sqlalchemy.exc.SQLAlchemyError: the metadata database does not answer, after Airflow's retries.
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.exceptions import DagNotFound, DagRunAlreadyExists, ParamValidationError
    from airflow.utils.retries import run_with_db_retries
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy.exc import DataError

    try:
        # The database may refuse a connection for a moment.
        for attempt in run_with_db_retries():
            with attempt:
                run = trigger_dag(
                    dag_id,
                    triggered_by=DagRunTriggeredByType.UI,
                    triggering_user_name=username,
                    run_id=run_id,
                    conf=conf,
                    replace_microseconds=False,
                )
    except DagRunAlreadyExists as error:
        run = error.dag_run
    except ParamValidationError as error:
        raise InvalidConfError(str(error)) from None
    except DataError:
        raise InvalidConfError(
            "Airflow's database cannot store a character of the text, such as NUL; remove it"
        ) from None
    except DagNotFound as error:
        raise UnknownDagError(str(error)) from None
    return _run_record(run)


def list_dags() -> list[DagRecord]:
    """Return the DAGs that have a file, by id, each with the run created last.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the metadata database does not answer.
    """
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        latest_ids = select(func.max(DagRun.id)).group_by(DagRun.dag_id)
        latest_runs = {
            run.dag_id: _run_record(run)
            for run in session.scalars(select(DagRun).where(DagRun.id.in_(latest_ids)))
        }
        models = session.scalars(
            select(DagModel).where(DagModel.is_stale.is_(False)).order_by(DagModel.dag_id)
        )
        return [
            DagRecord(model.dag_id, model.description, bool(model.is_paused), latest_runs.get(model.dag_id))
            for model in models
        ]


def find_run(dag_id: str, run_id: str) -> RunRecord | None:
    """Return a run of a DAG; None if there is no such run.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the metadata database does not answer.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    if "\0" in dag_id or "\0" in run_id:
        return None  # PostgreSQL refuses the character in a query, too
    with create_session() as session:
        run = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).first()
        return run and _run_record(run)


def run_active_at(dag_id: str, moment: datetime) -> RunRecord | None:
    """Return the run of a DAG that was running at `moment`; None if there was no such run.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the metadata database does not answer.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    last_started = (
        select(DagRun)
        .where(DagRun.dag_id == dag_id, DagRun.start_date <= moment)
        .order_by(DagRun.start_date.desc())
        .limit(1)
    )
    with create_session() as session:
        run = session.scalars(last_started).first()
        return _run_record(run) if run and (run.end_date is None or run.end_date >= moment) else None


def recent_runs(
    dag_id: str, ended_after: datetime, limit: int, xcom_key: str
) -> list[tuple[RunRecord, str | None]]:
    """Return the DAG's unfinished runs and those that ended after `ended_after`, newest first.

    Each comes with the value of its XCom `xcom_key`, as text; None without one.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the metadata database does not answer.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import or_, select

    is_recent = or_(DagRun.end_date.is_(None), DagRun.end_date > ended_after)
    with create_session() as session:
        runs = session.scalars(
            select(DagRun).where(DagRun.dag_id == dag_id, is_recent).order_by(DagRun.id.desc()).limit(limit)
        ).all()
        xcoms = session.scalars(
            select(XComModel).where(
                XComModel.dag_run_id.in_([run.id for run in runs]), XComModel.key == xcom_key
            )
        )
        values = {xcom.dag_run_id: str(XComModel.deserialize_value(xcom)) for xcom in xcoms}
        return [(_run_record(run), values.get(run.id)) for run in runs]


def current_user_dependency() -> Callable[..., Any]:
    """Return the FastAPI dependency that gives the logged-in user, or answers 401."""
    from airflow.api_fastapi.core_api.security import get_user

    return get_user


def trigger_permission_check(dag_id: str) -> Callable[..., None]:
    """Return the FastAPI dependency that answers 403 unless the user may trigger the DAG.

    It takes (request, user).
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag

    return requires_access_dag("POST", DagAccessEntity.RUN, dag_id)


async def is_authenticated(scope: MutableMapping[str, Any]) -> bool:
    """Return whether a request to the API server has the valid token of a user or of a task.

    Args:
        scope: ASGI scope of the request, whose body need not have been received.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the metadata database, which has the revoked tokens, does not answer.
    """
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
    from fastapi import HTTPException, Request
    from jwt import InvalidTokenError

    request = Request(scope)
    try:
        credentials = await bearer_scheme(request)
        if credentials and "/execution/" in scope["path"]:
            await _task_token_validator().avalidated_claims(credentials.credentials, {})
        else:
            await get_user(request, None, credentials)
    except (HTTPException, InvalidTokenError, ValueError):
        return False
    return True


@cache
def _task_token_validator() -> Any:
    from airflow.api_fastapi.execution_api.app import _jwt_validator

    return _jwt_validator()


def _run_record(run: Any) -> RunRecord:
    return RunRecord(
        run.dag_id,
        run.run_id,
        str(run.state),
        run.start_date,
        run.end_date,
        run.conf or {},
        run.triggering_user_name,
    )
