"""The watchdog service: checks services and DAG runs from outside, and notifies by mail and Slack.

    python -m shopnow.local_stack.service_monitor

Airflow's own callbacks do not run when the process that would call them is dead. So this is a separate
service, which depends on neither Airflow nor Kafka nor HDFS. It notifies once when a problem starts and once
when it is resolved; the incidents are stored in a file, which `./shopnow status` shows.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import httpx

from shopnow import connections
from shopnow.errors import UserError
from shopnow.local_stack import airflow, airflow_api, direct_notify, incidents, supervision
from shopnow.local_stack.incidents import Incidents, Problem
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.local_stack.supervision import Process
from shopnow.settings import Settings

CHECK_INTERVAL_SECONDS = 5.0
PROBE_SECONDS = 15.0
"""How often a service that is ready is probed: the probes take CPU of the service, too."""
DAG_CHECK_SECONDS = 15.0
"""How often the DAG runs are checked while they have no problem: it costs the API server 0.1 s of CPU."""
UNRESPONSIVE_SECONDS = 60.0
"""How long a running service may fail its readiness check before that is a problem."""
START_SECONDS = 240.0
"""How long a service may take to start."""
RESTART_REPORT_SECONDS = 20.0
"""How long a restart is a problem at least: long enough for every channel to be notified of it."""
REPORT_CHECKS = 2
"""How many checks find a restart at least; each may take `RESTART_REPORT_SECONDS` while services are down."""
MAX_START_DELAY = timedelta(minutes=15)
"""How late a run may start, and how long one may be queued."""
MAX_RUN_DURATION = timedelta(hours=3)
UNBOUNDED_DAGS = {"approve_restock"}
"""DAGs whose runs wait for a person, so that no duration of theirs is a problem."""


def main() -> None:
    settings = Settings.load()
    watch(
        settings,
        ServiceChecker(settings).check,
        lambda: airflow_api.connect(settings),
        CHECK_INTERVAL_SECONDS,
    )


def watch(
    settings: Settings,
    check_services: Callable[[], Iterable[Problem]],
    connect: Callable[[], AbstractContextManager[httpx.Client]],
    interval_seconds: float,
) -> NoReturn:
    """Check services and DAG runs again and again; notify of the problems, and keep them in a file.

    Args:
        check_services: returns the problems of the services.
        connect: logs in to Airflow's API.
        interval_seconds: pause between two checks.
    """
    open_incidents, _ = incidents.load(settings)
    next_dag_check = time.monotonic()
    while True:
        problems, unknown = list(check_services()), ["dag/"]
        if time.monotonic() >= next_dag_check:
            # If Airflow does not answer, the checks of its services report the cause.
            with suppress(UserError, httpx.HTTPError), connect() as api:
                failures = list(dag_problems(api, datetime.now(UTC), airflow.base_url(settings)))
                problems, unknown = problems + failures, []
                # The next check confirms a problem, or its end.
                next_dag_check = time.monotonic() + (0 if failures else DAG_CHECK_SECONDS)
        open_incidents = notify(
            settings, incidents.update(open_incidents, problems, unknown, datetime.now(UTC))
        )
        incidents.save(settings, open_incidents)
        time.sleep(interval_seconds)


class ServiceChecker:
    """Checks the services, and remembers which of them answered, and since when each does not."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._answered: set[Process] = set()
        """Processes that were ready at least once."""
        self._ready_at: dict[str, float] = {}
        """Time of the last probe by service, if it was ready then."""
        self._unresponsive_since: dict[str, float] = {}
        self._ends: dict[str, tuple[int, int]] = {}
        """Last end of each service, in Unix seconds, and the number of checks that found it."""
        open_incidents, checked_at = incidents.load(settings)
        self._previous_check = checked_at.timestamp() if checked_at else time.time()
        if checked_at:
            # Otherwise a service that was reported and is ready would be reported again when it next is not,
            # as while a service it depends on is down.
            self._answered.update(
                process
                for process in supervision.list_processes(settings)
                if process.started_at + 1 < self._previous_check
                and f"service/{process.name}" not in open_incidents
            )

    def check(self) -> Iterator[Problem]:
        """Yield the services that ended and are not ready again, or that are unresponsive.

        Each end is found by `REPORT_CHECKS` checks, also if the service is ready again before the first.
        """
        start = time.time()
        if supervision.unsupervised_processes(self._settings):
            yield Problem("service/supervisord", supervision.UNSUPERVISED)
        processes = supervision.list_processes(self._settings)
        self._answered.intersection_update(processes)
        for process in processes:
            now = time.time()
            log = supervision.log_dir(self._settings) / f"{process.name}.log"
            if process.running and (process.name == "watchdog" or self._is_ready(process, now)):
                self._answered.add(process)
                self._unresponsive_since.pop(process.name, None)
            elif process.running:
                self._unresponsive_since.setdefault(process.name, now)
            unresponsive_seconds = now - self._unresponsive_since.get(process.name, now)
            ended_at, checks = self._ends.get(process.name, (0, 0))
            if process.ended_at != ended_at:
                checks = 0
            # supervisord's times are whole seconds.
            is_old = process.ended_at + 1 < self._previous_check
            is_reported = checks >= REPORT_CHECKS or (checks == 0 and is_old)
            problem = service_problem(
                process, process in self._answered, unresponsive_seconds, now, is_reported
            )
            if problem:
                self._ends[process.name] = process.ended_at, checks + 1
                yield Problem(f"service/{process.name}", f"{process.name} {problem}; see {log}")
        self._previous_check = start

    def _is_ready(self, process: Process, now: float) -> bool:
        """Return whether the service passes its readiness check, or has just passed it."""
        is_due = now - self._ready_at.get(process.name, 0) >= PROBE_SECONDS
        if process in self._answered and not is_due:
            return True
        self._ready_at.pop(process.name, None)
        if is_ready(SERVICES[process.name], self._settings):
            self._ready_at[process.name] = now
            return True
        return False


def service_problem(
    process: Process,
    has_answered: bool,
    unresponsive_seconds: float,
    now: float,
    is_reported: bool = True,
) -> str | None:
    """Return the problem of a service, or None.

    Args:
        process: its process, which supervisord restarts when it ends.
        has_answered: whether this process was ready at least once.
        unresponsive_seconds: for how long it has not been ready.
        now: Unix time in seconds.
        is_reported: whether enough checks have found its last end.
    """
    is_starting = process.running and now - process.started_at < START_SECONDS
    if (
        process.died
        or (process.ended_at and (not is_reported or now - process.ended_at < RESTART_REPORT_SECONDS))
        or (process.ended_at and is_starting and not has_answered)
    ):
        return f"ended at {datetime.fromtimestamp(process.ended_at, UTC):%H:%M:%S} UTC and is restarted"
    if process.running and unresponsive_seconds > UNRESPONSIVE_SECONDS and not is_starting:
        return "runs, but does not answer"
    return None


def dag_problems(api: httpx.Client, now: datetime, ui: str) -> Iterator[Problem]:
    """Yield the DAGs whose latest run failed, whose next run is overdue, or that have a stuck run.

    A failed run that a person triggered, by hand or as a backfill, is no problem: that person sees it, and
    may have been trying something out.

    Args:
        ui: address of Airflow for users.
    """
    for dag in airflow_api.list_dags(api):
        dag_id = dag["dag_id"]
        due = dag["next_dagrun_run_after"]
        if not dag["is_paused"] and due and now - datetime.fromisoformat(due) > MAX_START_DELAY:
            yield Problem(
                f"dag/{dag_id}/late", f"{dag_id}: a run was due at {due[:16]} UTC and has not started"
            )
    latest_finished: dict[str, dict[str, Any]] = {}
    for run in airflow_api.list_latest_runs(api):
        dag_id, run_id = run["dag_id"], run["dag_run_id"]
        if run["state"] in {"success", "failed"} and not run["triggering_user_name"]:
            latest_finished.setdefault(dag_id, run)
        elif dag_id in UNBOUNDED_DAGS:
            continue
        elif run["state"] == "queued" and now - datetime.fromisoformat(run["queued_at"]) > MAX_START_DELAY:
            yield Problem(
                f"dag/{dag_id}/queued",
                f"{dag_id}: run {run_id} has been queued since {run['queued_at'][:16]} UTC",
            )
        elif run["state"] == "running" and now - datetime.fromisoformat(run["start_date"]) > MAX_RUN_DURATION:
            yield Problem(
                f"dag/{dag_id}/long",
                f"{dag_id}: run {run_id} has been running since {run['start_date'][:16]} UTC",
            )
    for dag_id, run in latest_finished.items():
        if run["state"] == "failed":
            yield Problem(
                f"dag/{dag_id}/failed",
                f"{dag_id}: run {run['dag_run_id']} failed; its log is at {run_url(ui, run)}",
            )


def run_url(ui: str, run: dict[str, Any]) -> str:
    """Return the address of a run in Airflow's UI."""
    return f"{ui}/dags/{run['dag_id']}/runs/{run['dag_run_id']}"


def notify(settings: Settings, open_incidents: Incidents) -> dict[str, incidents.Incident]:
    """Send each channel its pending notification; a channel that fails is retried at the next check."""
    active_connections = connections.load(settings)
    updated = dict(open_incidents)
    for channel, (conn_id, send) in direct_notify.CHANNELS.items():
        notification = incidents.pending_notification(updated, channel, datetime.now(UTC))
        if not notification:
            continue
        subject, text = incidents.render(notification)
        try:
            send(active_connections[conn_id], subject, text)
        except (OSError, KeyError, TypeError) as error:
            # Only its type: the text may contain a secret.
            print(f"{channel}: sending failed ({type(error).__name__}); trying again", flush=True)
            continue
        print(f"{channel}: {text}", flush=True)
        updated = incidents.mark_notified(updated, channel, notification)
    return updated


if __name__ == "__main__":
    main()
