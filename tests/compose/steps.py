"""Steps of a scenario: send traffic, wait until the pipeline has processed it, kill services."""

import json
from datetime import UTC, datetime

from compose_stack import Stack, log, wait_for

PIPELINE_DAGS = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
"""In the order in which they trigger one another."""


def start_traffic(stack: Stack, sessions: int) -> str:
    """Trigger `generate_traffic` and return the time before the trigger, in RFC 3339."""
    wait_for(
        "Airflow has parsed the DAGs",
        lambda: set(PIPELINE_DAGS) <= {dag["dag_id"] for dag in stack.api("/dags?limit=100")["dags"]},
        300,
    )
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stack.api(
        "/dags/generate_traffic/dagRuns", {"logical_date": None, "conf": {"sessions": sessions, "seed": 1}}
    )
    return started


def wait_until_processed(stack: Stack, since: str, seconds: float) -> None:
    """Wait until everything sent since then is landed, computed and checked for alerts."""
    wait_for("sent, landed, computed, watched", lambda: is_processed(stack, since), seconds)


def is_processed(stack: Stack, since: str) -> bool:
    """Return whether each DAG of the pipeline has run since then, after its upstream DAG, and none is active.

    Raises:
        RuntimeError: a DAG run failed.
    """
    last_start = {}
    for dag in PIPELINE_DAGS:
        query = f"run_after_gte={since}&order_by=run_after&limit=100"
        runs = stack.api(f"/dags/{dag}/dagRuns?{query}")["dag_runs"]
        if failed := [run["dag_run_id"] for run in runs if run["state"] == "failed"]:
            raise RuntimeError(f"{dag} failed: {failed[0]}")
        if not runs or any(run["state"] != "success" for run in runs):
            return False
        last_start[dag] = runs[-1]["start_date"]
    return last_start["watch_stock"] > last_start["compute_kpis"] > last_start["generate_traffic"]


def is_spark_busy(stack: Stack) -> bool:
    """Return whether a Spark job has executors on every live worker."""
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/json/').read().decode())"
    master = json.loads(stack.run("exec", "-T", "spark-master", "python", "-c", script).stdout)
    return all(worker["coresused"] for worker in master["workers"] if worker["state"] == "ALIVE")


def kill(stack: Stack, service: str, seconds: float) -> None:
    """Kill every process of a service with SIGKILL, and wait until it is restarted and healthy."""
    killed = stack.inspect(service)["State"]["StartedAt"]
    log(f"killing {service}")
    # The shell kills itself as well, so its exit status says nothing.
    stack.run("exec", "-T", service, "bash", "-c", "kill -9 -1")

    def is_back() -> bool:
        state = stack.inspect(service)["State"]
        return state["StartedAt"] != killed and state["Health"]["Status"] == "healthy"

    wait_for(f"{service} is healthy again", is_back, seconds)
