"""The watchdog: looks from outside at the services and at Airflow's runs, and tells by mail and Slack what is wrong.

    python -m shopnow.local_stack.service_monitor

Callbacks do not fire when what would call them is dead; so this is a service of its own that needs neither Airflow nor Kafka
nor HDFS. Each problem is told once, and once when it is over; what it knows is in a file, which `./shopnow status` shows.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from shopnow import connections
from shopnow.errors import UserError
from shopnow.local_stack import airflow_api, direct_notify, incidents, supervision
from shopnow.local_stack.incidents import Incidents, Problem
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.settings import Settings

CHECK_INTERVAL_SECONDS = 5.0
UNRESPONSIVE_SECONDS = 60.0
"""A service that runs, but has not answered for so long, is in trouble; starting may take `START_SECONDS`."""
START_SECONDS = 240.0
MAX_START_DELAY = timedelta(minutes=15)
"""How much later than due a run may begin, and how long one may be queued."""
MAX_RUN_DURATION = timedelta(hours=3)
"""No run takes longer that does not wait for something from outside."""
UNBOUNDED_DAGS = {"approve_restock", "receive_restock"}
"""DAGs whose runs wait for a person, or a file."""


def main() -> None:
    settings = Settings.load()
    known, _ = incidents.load(settings)
    services = ServiceChecker(settings)
    while True:
        problems, unknown = list(services.look()), []
        try:
            with airflow_api.connect(settings) as api:
                problems += dag_problems(api, datetime.now(UTC))
        except (UserError, httpx.HTTPError):
            unknown = ["dag/"]  # what is wrong with Airflow is seen at its services
        known = notify(settings, incidents.update(known, problems, unknown, datetime.now(UTC)))
        incidents.save(settings, known)
        time.sleep(CHECK_INTERVAL_SECONDS)


class ServiceChecker:
    """Looks at the services, and remembers since when one does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._silent_since: dict[str, float] = {}

    def look(self) -> Iterator[Problem]:
        for process in supervision.list_processes(self._settings):
            name = process.name
            if process.died:
                detail = process.detail or "it ended"
                yield Problem(f"service/{name}", f"{name} is dead: {detail}; ./shopnow up starts it again")
            if not process.running or name == "watchdog" or is_ready(SERVICES[name], self._settings):
                self._silent_since.pop(name, None)
                continue
            silent = time.time() - self._silent_since.setdefault(name, time.time())
            starting = time.time() - process.since < START_SECONDS
            if silent > UNRESPONSIVE_SECONDS and not starting:
                log = supervision.log_dir(self._settings) / f"{name}.log"
                yield Problem(f"service/{name}", f"{name} runs, but does not answer; see {log}")


def dag_problems(api: httpx.Client, now: datetime) -> Iterator[Problem]:
    """DAGs whose last run failed, whose next is overdue, or of which one hangs.

    A run that a person started, by hand or as a backfill, is no incident when it fails: they are looking at it, and may have
    tried something out. Of runs that other runs or events started nobody else would hear.
    """
    for dag in airflow_api.list_dags(api):
        name = dag["dag_id"]
        due = dag["next_dagrun_run_after"]
        if not dag["is_paused"] and due and now - datetime.fromisoformat(due) > MAX_START_DELAY:
            yield Problem(f"dag/{name}/late", f"{name}: a run was due at {due[:16]} UTC and has not begun")
    runs = (
        api.get("/dags/~/dagRuns", params={"order_by": "-run_after", "limit": 100})
        .raise_for_status()
        .json()["dag_runs"]
    )
    newest_end: dict[str, dict[str, Any]] = {}
    for run in runs:
        name, run_id = run["dag_id"], run["dag_run_id"]
        if run["state"] in {"success", "failed"} and not run["triggering_user_name"]:
            newest_end.setdefault(name, run)
        elif (
            run["state"] == "queued"
            and name not in UNBOUNDED_DAGS
            and now - datetime.fromisoformat(run["queued_at"]) > MAX_START_DELAY
        ):
            yield Problem(
                f"dag/{name}/queued",
                f"{name}: run {run_id} has been queued since {run['queued_at'][:16]} UTC",
            )
        elif (
            run["state"] == "running"
            and name not in UNBOUNDED_DAGS
            and now - datetime.fromisoformat(run["start_date"]) > MAX_RUN_DURATION
        ):
            yield Problem(
                f"dag/{name}/long",
                f"{name}: run {run_id} has been at work since {run['start_date'][:16]} UTC",
            )
    for name, run in newest_end.items():
        if run["state"] == "failed":
            yield Problem(
                f"dag/{name}/failed",
                f"{name}: run {run['dag_run_id']} failed; its log is at {run_url(api, run)}",
            )


def run_url(api: httpx.Client, run: dict[str, Any]) -> str:
    """Where the UI shows a run."""
    return f"{str(api.base_url).removesuffix('/').removesuffix('/api/v2')}/dags/{run['dag_id']}/runs/{run['dag_run_id']}"


def notify(settings: Settings, known: Incidents) -> dict[str, incidents.Incident]:
    """Tell each channel what it does not know yet; what it does not take now, it is told at the next look."""
    in_force = connections.load(settings)
    after = dict(known)
    for channel, (connection, send) in direct_notify.CHANNELS.items():
        heard = incidents.pending_notification(after, channel, datetime.now(UTC))
        if heard.began or heard.over:
            try:
                send(in_force[connection], *incidents.render(heard))
            except (OSError, KeyError, TypeError) as error:
                print(
                    f"{channel}: not told ({type(error).__name__}); trying again", flush=True
                )  # its text may hold a secret
                continue
            print(f"{channel}: {incidents.render(heard)[1]}", flush=True)
            after = incidents.mark_notified(after, channel, heard)
    return after


if __name__ == "__main__":
    main()
