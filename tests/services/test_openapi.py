"""Requests generated from the published OpenAPI get no 5xx, and no answer that it does not describe."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS

from factories import sample_lake
from shopnow.submission.producer import Sent
from shopnow.submission.report import Report
from shopnow_tab_app.app import create
from shopnow_tab_app.pages import pdf
from shopnow_tab_app.pages.positions import PositionReader
from shopnow_tab_app.routes import access, alert_actions, change_stream, order_form
from shopnow_tab_app.sources import runs
from support.local_replica import local_replica

EXCLUDED = ["ignored_auth", "positive_data_acceptance"]
"""The tests have no login; and no schema says that an id is recent, or that a day precedes another."""
EXAMPLES = 10


def allow(request: Request, user: access.CurrentUser) -> None:
    """Stand in for Airflow's check of a permission."""


def started_run(dag_id: str, run_id: str, conf: dict[str, Any], **ignored: Any) -> SimpleNamespace:
    times = {"start_date": None, "end_date": None}
    return SimpleNamespace(
        dag_id=dag_id, run_id=run_id, conf=conf, state="queued", triggering_user_name="anna", **times
    )


RUN = runs.Run(
    dag_id="compute_kpis", run_id="run", state="running", started=datetime(2020, 1, 1, tzinfo=UTC), ended=None
)


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The API of a sample lake for a user with all permissions, without Kafka and Airflow's database."""
    folder = str(tmp_path_factory.mktemp("lake"))
    sample_lake.write_lake(folder, 100, 3, sample_lake.NOW)
    tail: Any = SimpleNamespace(
        stamp=(0, None), newest=lambda limit: [], wait=lambda stamp, seconds: None, error=None, as_of=None
    )
    sent = Sent(1, "order_placed", "orders", 0, 1, "e")
    security = "airflow.api_fastapi.core_api.security.requires_access_dag"
    with (
        pytest.MonkeyPatch.context() as patch,
        local_replica(folder, tmp_path_factory.mktemp("replica")) as lake,
    ):
        patch.setattr(security, lambda *rights: allow)
        patch.setattr("airflow.api.common.trigger_dag.trigger_dag", started_run)
        patch.setattr(change_stream, "MAX_SECONDS", 0.0)
        patch.setattr(pdf, "render", lambda sheet: b"%PDF")
        patch.setattr(order_form, "submit", lambda *arguments: Report([sent], []))
        patch.setattr(PositionReader, "__call__", lambda reader: {})
        patch.setattr(runs, "find_active_run", lambda dag_id, moment: None)
        patch.setattr(runs, "find_run", lambda *ids: RUN)
        patch.setattr(runs, "dags", list)
        patch.setattr(alert_actions, "recent_actions", alert_actions.runs.CachedRead(list, [], 1.0))
        app = create(lake, tail, conf=dict)
        app.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "anna")
        yield schemathesis.openapi.from_asgi("/api/openapi.json", app)


@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
def test_answers_are_as_described(description: Any, mode: schemathesis.GenerationMode) -> None:
    """Send valid requests, and requests that violate the description."""
    excluded = CHECKS.get_by_names(EXCLUDED)
    failures = []
    for result in description.get_all_operations():
        operation = result.ok()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def validate(case: schemathesis.Case) -> None:
            case.call_and_validate(headers={access.HEADER: "1"}, excluded_checks=excluded)

        try:
            validate()
        except Exception as error:
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)
