"""Which services and DAG runs the service monitor reports as problems."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shopnow.local_stack import incidents, service_monitor
from shopnow.local_stack.incidents import Problem
from shopnow.local_stack.supervision import Process
from shopnow.settings import Settings

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def run(state: str, hours: float = 0.1, dag_id: str = "land_events", by: str | None = None) -> dict[str, Any]:
    """A run that was queued and started some hours before `NOW`, in a user's name if `by` is given."""
    time = (NOW - timedelta(hours=hours)).isoformat()
    run_id = f"run-{hours}"
    return {
        "dag_id": dag_id,
        "dag_run_id": run_id,
        "state": state,
        "queued_at": time,
        "start_date": time,
        "triggering_user_name": by,
    }


def problems(*runs: dict[str, Any], due: datetime | None = None, paused: bool = False) -> dict[str, str]:
    """Descriptions of the reported problems by key, given a DAG's runs, newest first."""
    dag = {"dag_id": "land_events", "is_paused": paused, "next_dagrun_run_after": due and due.isoformat()}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json={"dags": [dag]} if request.url.path.endswith("/dags") else {"dag_runs": list(runs)}
        )

    with httpx.Client(
        base_url="http://127.0.0.1/airflow/api/v2", transport=httpx.MockTransport(answer)
    ) as api:
        return {
            problem.key: problem.description
            for problem in service_monitor.dag_problems(api, NOW, "https://shop.example/airflow")
        }


def test_failed_run_is_a_problem_until_a_later_one_succeeds():
    assert problems(run("running", 0.1), run("failed", 0.2), run("success", 0.3)) == {
        "dag/land_events/failed": (
            "land_events: run run-0.2 failed; its log is at https://shop.example/airflow/dags/land_events/runs/run-0.2"
        )
    }
    assert problems(run("success", 0.1), run("failed", 0.2)) == {}


def test_failed_run_that_a_person_triggered_is_no_problem():
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
        ("running", 4, "receive_restock", "dag/receive_restock/long"),
    ],
)
def test_stuck_run_is_a_problem_unless_its_dag_waits_for_someone(state, hours, dag_id, key):
    assert list(problems(run(state, hours, dag_id))) == ([key] if key else [])


def test_overdue_run_is_a_problem():
    overdue = NOW - timedelta(minutes=20)
    assert list(problems(due=overdue)) == ["dag/land_events/late"]
    assert problems(due=overdue, paused=True) == problems(due=NOW) == {}


RUNNING = Process("kafka", running=True, died=False, pid=1, started_at=1000, ended_at=0, detail="")
DEAD = RUNNING._replace(running=False, died=True, pid=None, ended_at=1100)
RESTARTED = RUNNING._replace(pid=2, started_at=1101, ended_at=1100)


@pytest.mark.parametrize(
    ("process", "has_answered", "unresponsive", "now", "expected"),
    [
        (RUNNING, True, 0, 1100, None),
        # A first start may take minutes.
        (RUNNING, False, 200, 1200, None),
        (RUNNING, True, 61, 2000, "runs, but does not answer"),
        (RUNNING, True, 59, 2000, None),
        (DEAD, True, 0, 5000, "ended at 00:18:20 UTC and is restarted"),
        # Long enough to be reported, also if it is back before the next check.
        (RESTARTED, True, 0, 1119, "ended at 00:18:20 UTC and is restarted"),
        (RESTARTED, True, 0, 1121, None),
        # One report until it answers; later, a pause between two answers is no second end.
        (RESTARTED, False, 100, 1201, "ended at 00:18:20 UTC and is restarted"),
        (RESTARTED, True, 20, 1201, None),
        (RESTARTED, False, 400, 1501, "runs, but does not answer"),
    ],
)
def test_end_of_a_service_is_a_problem_until_it_answers_again(
    process, has_answered, unresponsive, now, expected
):
    assert service_monitor.service_problem(process, has_answered, unresponsive, now) == expected


class Clock:
    """The time of the monitor, which sleeping advances."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(service_monitor, "time", clock)
    return clock


def test_a_service_is_probed_at_every_check_unless_it_was_just_ready(clock, monkeypatch):
    process, probes = Process("slack", True, False, 1, 500, 0, ""), []

    def is_ready(*_: Any) -> bool:
        probes.append(clock.now - 1_000)
        return probes[-1] not in {15, 20}

    monkeypatch.setattr(service_monitor.supervision, "list_processes", lambda settings: [process])
    monkeypatch.setattr(service_monitor.supervision, "unsupervised_processes", lambda settings: [])
    monkeypatch.setattr(service_monitor, "is_ready", is_ready)
    checker = service_monitor.ServiceChecker(Settings())
    for _ in range(8):
        assert list(checker.check()) == []
        clock.sleep(5)
    assert probes == [0, 15, 20, 25]


def test_dags_are_checked_less_often_while_they_have_no_problem(clock, monkeypatch):
    failing, checks = [20.0, 25.0], []

    class Stop(Exception):
        pass

    def problems_now(*_: Any) -> list[Problem]:
        checks.append(clock.now - 1_000)
        return [Problem("dag/land_events/failed", "failed")] if clock.now - 1_000 in failing else []

    def connect() -> nullcontext:
        if clock.now - 1_000 == 15:
            raise httpx.ConnectError("Airflow restarts")
        if clock.now - 1_000 > 50:
            raise Stop
        return nullcontext()

    monkeypatch.setattr(service_monitor, "dag_problems", problems_now)
    monkeypatch.setattr(service_monitor, "notify", lambda settings, incidents: dict(incidents))
    monkeypatch.setattr(service_monitor.incidents, "load", lambda settings: ({}, None))
    monkeypatch.setattr(service_monitor.incidents, "save", lambda settings, incidents: None)
    with pytest.raises(Stop):
        service_monitor.watch(Settings(), lambda: [], connect, 5)
    assert checks == [0, 20, 25, 30, 45]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """What supervisord lists; every process answers."""
    listed: list[Process] = []
    monkeypatch.setattr(service_monitor.supervision, "list_processes", lambda settings: list(listed))
    monkeypatch.setattr(service_monitor.supervision, "unsupervised_processes", lambda settings: [])
    monkeypatch.setattr(service_monitor, "is_ready", lambda service, settings: True)
    return listed


def test_checks_that_take_long_report_each_end_of_a_service(tmp_path, processes, monkeypatch):
    times = iter([1000.0, 1090.0, 1090.0, 1150.0, 1150.0, 1210.0, 1210.0, 1270.0, 1270.0])
    monkeypatch.setattr(service_monitor.time, "time", lambda: next(times))
    checker = service_monitor.ServiceChecker(Settings(data_dir=tmp_path))
    processes[:] = [RUNNING]
    assert list(checker.check()) == []
    processes[:] = [RESTARTED]
    found = [[problem.key for problem in checker.check()] for _ in range(3)]
    assert found == [["service/kafka"], ["service/kafka"], []]


@pytest.mark.parametrize("is_open", [False, True])
def test_a_monitor_that_restarts_does_not_report_again_what_was_resolved(
    tmp_path, processes, monkeypatch, is_open
):
    settings = Settings(data_dir=tmp_path)
    open_incident = {"service/kafka": incidents.Incident("ended", "2026-01-01T00:00:00+00:00", ["mail"])}
    incidents.save(settings, open_incident if is_open else {})
    _, checked_at = incidents.load(settings)
    ended_at = int(checked_at.timestamp()) - 60
    processes[:] = [RESTARTED._replace(ended_at=ended_at, started_at=ended_at + 2)]
    # As while a service that it depends on is down, too.
    monkeypatch.setattr(service_monitor, "is_ready", lambda service, settings: False)
    checker = service_monitor.ServiceChecker(settings)
    assert [problem.key for problem in checker.check()] == (["service/kafka"] if is_open else [])


def test_a_monitor_that_restarts_reports_the_ends_since_the_last_check(tmp_path, processes):
    settings = Settings(data_dir=tmp_path)
    incidents.save(settings, {})
    _, checked_at = incidents.load(settings)
    assert checked_at is not None
    for ended_at, expected in ((checked_at.timestamp() - 3600, []), (checked_at.timestamp() + 1, ["kafka"])):
        processes[:] = [RESTARTED._replace(ended_at=int(ended_at + 0.999), started_at=int(ended_at + 2))]
        checker = service_monitor.ServiceChecker(settings)
        keys = [problem.key.removeprefix("service/") for problem in checker.check()]
        assert keys == expected
