"""Acknowledging and silencing alerts from the pages: each action is a DAG run started in the user's name."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import HTTPException
from pydantic import AwareDatetime, StringConstraints
from sqlalchemy.exc import SQLAlchemyError

from shopnow import airflow_internals
from shopnow.airflow_internals import InvalidConfError, RunRecord, UnknownDagError
from shopnow.alerts.commands import MAX_REASON_LENGTH
from shopnow.dag_common import REFUSAL_KEY
from shopnow.errors import UserError
from shopnow_tab_app.pages.alerts import AlertAction
from shopnow_tab_app.routes.request_id import CONFLICT, IdempotentRequest, time_of
from shopnow_tab_app.sources import runs

DAG = "acknowledge_alert"
"""The DAG that carries out the actions; permission to trigger it is the permission to act."""
SHOWN_FOR = timedelta(minutes=10)
"""How long an action is shown after it has ended."""
MAX_RUNS = 20
CACHE_SECONDS = 1.0


class AcknowledgeRequest(IdempotentRequest):
    """Acknowledgement of an alert, which stops its notifications until it is resolved."""

    alert: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    """Fingerprint of the alert."""
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON_LENGTH)
    ]
    """Kept permanently in the alert log."""


class SilenceRequest(AcknowledgeRequest):
    """Suppression of notifications of an alert, or of all alerts of a rule, whose name is then in `alert`."""

    until: AwareDatetime


def acknowledge(request: AcknowledgeRequest, user: str) -> AlertAction:
    """Start a run that acknowledges an alert in a user's name."""
    return _start(request, user, {"action": "acknowledge"})


def silence(request: SilenceRequest, user: str) -> AlertAction:
    """Start a run that silences an alert, or all alerts of a rule, in a user's name."""
    try:
        until = request.until.astimezone(UTC)
    except OverflowError:
        raise HTTPException(
            422, "until is beyond the calendar; expected a time before the year 10000"
        ) from None
    if until <= datetime.now(UTC):
        raise HTTPException(422, f"until is {request.until.isoformat()}; expected a time in the future")
    return _start(request, user, {"action": "silence", "until": until.isoformat()})


def _start(request: AcknowledgeRequest, user: str, action: Mapping[str, str]) -> AlertAction:
    """Start the run of a request, unless an earlier request with the same id did.

    Raises:
        UserError: Airflow cannot start it now.
    """
    time_of(request.request_id)
    run_id = f"shopnow_tab__{request.request_id}"
    conf = {**action, "alert": request.alert, "reason": request.reason}
    try:
        run = airflow_internals.trigger_run_as_user(DAG, run_id, conf, user)
    except InvalidConfError as error:
        raise HTTPException(422, str(error)) from None
    except UnknownDagError:
        raise UserError(
            f"Airflow has no DAG {DAG}; try again once its DAG processor has read the DAG files"
        ) from None
    except SQLAlchemyError:
        raise UserError("Airflow's database does not answer; try again") from None
    if {name: run.conf.get(name) for name in conf} != conf:
        raise HTTPException(409, CONFLICT)
    recent_actions.invalidate()
    return _to_action(run, None)


def _recent_actions() -> list[AlertAction]:
    since = datetime.now(UTC) - SHOWN_FOR
    return [
        _to_action(run, refused)
        for run, refused in airflow_internals.recent_runs(DAG, since, MAX_RUNS, REFUSAL_KEY)
    ]


def _to_action(run: RunRecord, refused: str | None) -> AlertAction:
    conf = run.conf
    return AlertAction(
        action=str(conf.get("action", "acknowledge")),
        alert=str(conf.get("alert", "")),
        by=run.triggering_user_name,
        run=runs.to_run(run),
        refused=refused,
    )


recent_actions: runs.CachedRead[list[AlertAction]] = runs.CachedRead(_recent_actions, [], CACHE_SECONDS)
"""Actions on alerts that are in progress or ended within `SHOWN_FOR`, newest first."""
