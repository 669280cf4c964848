"""Which runs the watchdog takes for trouble."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shopnow.local_stack import service_monitor

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def run(state: str, hours: float = 0.1, dag_id: str = "land_events", by: str | None = None) -> dict[str, Any]:
    at = (NOW - timedelta(hours=hours)).isoformat()
    run_id = f"run-{hours}"
    return {
        "dag_id": dag_id,
        "dag_run_id": run_id,
        "state": state,
        "queued_at": at,
        "start_date": at,
        "triggering_user_name": by,
    }


def problems(*runs: dict[str, Any], due: datetime | None = None, paused: bool = False) -> dict[str, str]:
    """What is found, given the runs, the newest first."""
    dag = {"dag_id": "land_events", "is_paused": paused, "next_dagrun_run_after": due and due.isoformat()}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json={"dags": [dag]} if request.url.path.endswith("/dags") else {"dag_runs": list(runs)}
        )

    with httpx.Client(base_url="http://airflow/api/v2", transport=httpx.MockTransport(answer)) as api:
        return {problem.key: problem.what for problem in service_monitor.dag_problems(api, NOW)}


def test_a_failed_run_is_trouble_until_a_later_one_succeeds():
    found = problems(run("running", 0.1), run("failed", 0.2), run("success", 0.3))
    assert found == {
        "dag/land_events/failed": "land_events: run run-0.2 failed; its log is at http://airflow/dags/land_events/runs/run-0.2"
    }
    assert problems(run("success", 0.1), run("failed", 0.2)) == {}


def test_a_run_that_a_person_started_is_theirs():
    assert problems(run("failed", 0.1, by="admin"), run("success", 0.2)) == {}
    assert list(problems(run("success", 0.1, by="admin"), run("failed", 0.2))) == ["dag/land_events/failed"]


@pytest.mark.parametrize(
    ("state", "hours", "dag_id", "key"),
    [
        ("queued", 0.3, "land_events", "dag/land_events/queued"),
        ("running", 4, "land_events", "dag/land_events/long"),
        ("queued", 0.1, "land_events", None),
        ("running", 2, "land_events", None),
        ("running", 80, "approve_restock", None),
        ("running", 80, "receive_restock", None),
    ],
)
def test_a_run_that_hangs_is_trouble_unless_it_waits_for_something(state, hours, dag_id, key):
    assert list(problems(run(state, hours, dag_id))) == ([key] if key else [])


def test_a_run_that_is_overdue_is_trouble():
    late = NOW - timedelta(minutes=20)
    assert list(problems(due=late)) == ["dag/land_events/late"]
    assert problems(due=late, paused=True) == problems(due=NOW) == {}
