"""The compose stack of the scripts beside: brought up with secrets of its own, given traffic, asked for the proof.

It takes Docker with Compose v2 and Python's standard library, nothing else.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "shopnow-test"
CHAIN = ("generate_traffic", "land_events", "compute_kpis", "watch_stock")
TROUBLE = (subprocess.CalledProcessError, TimeoutError, RuntimeError, urllib.error.URLError)
"""What ends a run; anything else is a mistake in the scripts."""


class Stack:
    """A compose project of its own, with secrets of its own."""

    def __init__(self, profile: str, port: int, secrets: Path) -> None:
        self.profile = profile
        self.address = f"http://127.0.0.1:{port}"
        self.secrets = secrets
        self._compose = [
            "docker",
            "compose",
            "--project-name",
            PROJECT,
            "--profile",
            profile,
            "--env-file",
            str(secrets),
        ]
        self._environment = os.environ | {"SHOPNOW_UI_PORT": str(port), "SHOPNOW_TRAFFIC": "off"}
        self._tokens: dict[str, str] = {}

    def up(self) -> None:
        """Builds the image, makes the secrets, starts every service and waits until each is healthy."""
        self.compose("build", "setup")
        self.make_secrets()
        say("starting")
        started = time.monotonic()
        self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", "900")
        say(f"every service is healthy, after {time.monotonic() - started:.0f} s")

    def down(self) -> None:
        """Back to nothing: containers, volumes, networks."""
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "20")

    def make_secrets(self) -> None:
        """As the docs say: the image makes them."""
        make = [
            "docker",
            "run",
            "--rm",
            "--entrypoint",
            "python",
            "shopnow:local",
            "-m",
            "shopnow.cluster.make_secrets",
        ]
        self.secrets.write_text(subprocess.run(make, check=True, text=True, stdout=subprocess.PIPE).stdout)

    def secret(self, name: str) -> str:
        [value] = [
            line.partition("=")[2].strip('"')
            for line in self.secrets.read_text().splitlines()
            if line.startswith(f"SHOPNOW_{name}=")
        ]
        return value

    def container(self, service: str) -> Any:
        """What Docker knows of a service's first container."""
        [id_, *_] = self.run("ps", "--all", "--quiet", service).stdout.split()
        return json.loads(
            subprocess.run(["docker", "inspect", id_], check=True, text=True, stdout=subprocess.PIPE).stdout
        )[0]

    def run(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a compose command to its end, whatever that is, with a text as its input."""
        return subprocess.run(
            [*self._compose, *words],
            cwd=ROOT,
            env=self._environment,
            input=text,
            capture_output=True,
            text=True,
        )

    def compose(self, *words: str) -> None:
        """Runs a compose command, shown.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        subprocess.run([*self._compose, *words], cwd=ROOT, env=self._environment, check=True)

    def tool(self, *words: str, text: str | None = None) -> str:
        """What an administrator's tool prints, with a text as its input.

        Raises:
            RuntimeError: it failed.
        """
        done = self.run("run", "--rm", "--no-deps", "-T", "setup", *words, text=text)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def cli(self, *words: str) -> Any:
        """What `./shopnow … --json` prints, run in a container like a worker's, with all of its memory.

        Raises:
            RuntimeError: it prints none.
        """
        command = ["run", "--rm", "--no-deps", "-T", "airflow-worker", "cli", *words, "--json"]
        done = self.run(*command)
        if not done.stdout:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def api(self, path: str, body: dict[str, Any] | None = None, user: str = "admin") -> Any:
        """An answer of Airflow's REST API to a user."""
        if user not in self._tokens:
            login = {"username": user, "password": self.secret(f"{user.upper()}_PASSWORD")}
            self._tokens[user] = self._ask("/auth/token", login, {})["access_token"]
        return self._ask(f"/api/v2{path}", body, {"Authorization": f"Bearer {self._tokens[user]}"})

    def _ask(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data, {"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def wait(what: str, condition: Callable[[], Any], seconds: float) -> Any:
    """What the condition gives, once it gives anything.

    Raises:
        TimeoutError: it did not in time.
    """
    started = time.monotonic()
    while not (found := condition()):
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: not after {seconds:.0f} s")
        time.sleep(3)
    say(f"{what}, after {time.monotonic() - started:.0f} s")
    return found


def closed(stack: Stack) -> bool:
    """Whether nobody gets in who should not: a container without secrets, the triggerer where it has no business, a viewer."""
    script = (Path(__file__).parent / "stranger.py").read_text()
    shut = True
    for service, role in (("slack", "stranger"), ("airflow-triggerer", "triggers")):
        done = stack.run("exec", "-T", service, "python", "-", role, text=script)
        say(f"{role}, in {service}:\n{done.stdout}{done.stderr}".rstrip())
        shut &= done.returncode == 0
    try:
        stack.api("/dags/generate_traffic/dagRuns", {"logical_date": None, "conf": {}}, user="viewer")
        say("OPEN  a viewer starts a DAG")
        return False
    except urllib.error.HTTPError as error:
        say(f"a viewer who starts a DAG is answered {error.code}")
        return shut and error.code == 403


def crash(stack: Stack, service: str, seconds: float) -> None:
    """Kills every process of a service with -9, and waits until Docker has it started again and it is well."""
    before = stack.container(service)["State"]["StartedAt"]
    say(f"killing {service}")
    # The shell kills itself as well.
    stack.run("exec", "-T", service, "bash", "-c", "kill -9 -1")

    def back() -> bool:
        state = stack.container(service)["State"]
        return state["StartedAt"] != before and state["Health"]["Status"] == "healthy"

    wait(f"{service} is back", back, seconds)


def computing(stack: Stack) -> bool:
    """Whether a Spark job has executors on the cluster's workers."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/json/').read().decode())"
    master = json.loads(stack.run("exec", "-T", "spark-master", "python", "-c", ask).stdout)
    return all(worker["coresused"] for worker in master["workers"] if worker["state"] == "ALIVE")


def settled(stack: Stack, since: str) -> bool:
    """Whether each DAG of the chain has run since then, after what wakes it, and none has anything left to do.

    Raises:
        RuntimeError: a run failed.
    """
    last = {}
    for dag in CHAIN:
        runs = stack.api(f"/dags/{dag}/dagRuns?run_after_gte={since}&order_by=run_after&limit=100")[
            "dag_runs"
        ]
        if failed := [run["dag_run_id"] for run in runs if run["state"] == "failed"]:
            raise RuntimeError(f"{dag} failed: {failed[0]}")
        if not runs or any(run["state"] != "success" for run in runs):
            return False
        last[dag] = runs[-1]["start_date"]
    return last["watch_stock"] > last["compute_kpis"] > last["generate_traffic"]


def order_traffic(stack: Stack, sessions: int) -> str:
    """Has the shop visited; gives when that was asked for."""
    wait(
        "Airflow knows the DAGs",
        lambda: set(CHAIN) <= {dag["dag_id"] for dag in stack.api("/dags?limit=100")["dags"]},
        300,
    )
    began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    stack.api(
        "/dags/generate_traffic/dagRuns", {"logical_date": None, "conf": {"sessions": sessions, "seed": 1}}
    )
    return began


def wait_until_settled(stack: Stack, since: str, seconds: float) -> None:
    """Waits until all that was sent since then is landed, computed and looked at."""
    wait("sent, landed, computed, watched", lambda: settled(stack, since), seconds)


def proven(stack: Stack) -> bool:
    """Whether `verify` holds, and the lake has what Kafka has."""
    topics = stack.cli("topics")["topics"]
    records = sum(topic["records"] for topic in topics)
    answer = stack.cli("verify")
    for check in answer["checks"]:
        say(f"{'holds' if check['ok'] else 'BROKEN'}  {check['check']}: {check['detail']}")
    behind = sum(topic["lag"] for topic in topics)
    say(f"{records} records in {len(topics)} topics, {behind} of them not landed")
    return bool(answer["ok"]) and records > 0 and not behind
