"""What people do about alerts on the pages: each a run of the DAG that does it, started in their name."""

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
from shopnow_tab_app import runs
from shopnow_tab_app.pages.stock import Act
from shopnow_tab_app.routes.request_id import Once, time_of

DAG = "acknowledge_alert"
"""Whoever may trigger it may acknowledge and silence from here."""
SHOWN = timedelta(minutes=10)
"""So long what is done is shown after it has ended."""
MOST = 20
KEPT_SECONDS = 1.0


class Acknowledgement(Once):
    """Somebody takes care of an alert: it is not told again, until it is over."""

    alert: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    """Its fingerprint."""
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON_LENGTH)]
    """Kept for ever."""


class Silence(Acknowledgement):
    """Nothing is told of an alert, or of all of a rule, until then; `alert` may be a rule."""

    until: AwareDatetime


def acknowledge(asked: Acknowledgement, user: str) -> Act:
    """Have an alert acknowledged in a person's name."""
    return _start(asked, user, {"action": "acknowledge"})


def silence(asked: Silence, user: str) -> Act:
    """Have an alert, or all of a rule, silenced in a person's name."""
    if asked.until <= datetime.now(UTC):
        raise HTTPException(422, "until is over; give a time to come")
    return _start(asked, user, {"action": "silence", "until": asked.until.isoformat()})


def _start(asked: Acknowledgement, user: str, conf: Mapping[str, str]) -> Act:
    """The run of this request, started unless it was before.

    Raises:
        UserError: Airflow cannot start it now.
    """
    time_of(asked.request_id)
    run_id, whole = f"shopnow_tab__{asked.request_id}", {**conf, "alert": asked.alert, "reason": asked.reason}
    try:
        run = airflow_internals.trigger_run_as_user(DAG, run_id, whole, user)
    except InvalidConfError as error:
        raise HTTPException(422, str(error)) from None
    except UnknownDagError:
        raise UserError(f"Airflow has no DAG {DAG}: has it read the DAG files yet?") from None
    except SQLAlchemyError:
        raise UserError("Airflow's database does not answer; try again") from None
    acts.forget()
    return _act(run, None)


def _acts() -> list[Act]:
    runs_and_refusals = airflow_internals.recent_runs(DAG, datetime.now(UTC) - SHOWN, MOST, REFUSAL_KEY)
    return [_act(run, refused) for run, refused in runs_and_refusals]


def _act(run: RunRecord, refused: str | None) -> Act:
    conf = run.conf
    return Act(
        action=str(conf.get("action", "acknowledge")),
        alert=str(conf.get("alert", "")),
        by=run.triggering_user_name,
        run=runs.run_of(run),
        refused=refused,
    )


acts: runs.Kept[list[Act]] = runs.Kept(_acts, [], KEPT_SECONDS)
"""What is being done about alerts, and what was within the last minutes, newest first."""
