"""The compose stack of these scripts: a Compose project of its own, with secrets of its own.

Requires Docker with Compose v2 and Python's standard library, nothing else.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "shopnow-test"
HARD_CHARACTERS = '@:/%#?&=+ $x\\",;]{}~'
"""Characters that mean something in a URL, a shell or a configuration file; part of every password."""
EXPECTED_ERRORS = (subprocess.CalledProcessError, TimeoutError, RuntimeError, urllib.error.URLError)
"""Errors that fail a scenario; any other exception is a bug in the scripts."""


class Stack:
    """A running compose project."""

    def __init__(self, profile: str, port: int, secrets: Path) -> None:
        self.profile = profile
        self.address = f"http://127.0.0.1:{port}"
        self.secrets = secrets
        project = ["--project-name", PROJECT, "--profile", profile, "--env-file", str(secrets)]
        self._command = ["docker", "compose", *project]
        self._environment = os.environ | {"SHOPNOW_UI_PORT": str(port), "SHOPNOW_TRAFFIC": "off"}
        self._tokens: dict[str, str] = {}

    def up(self) -> None:
        """Build the image, generate the secrets, start every service and wait until each is healthy."""
        self.compose("build", "setup")
        self.make_secrets()
        log("starting the stack")
        started = time.monotonic()
        self.compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", "900")
        log(f"every service is healthy after {time.monotonic() - started:.0f} s")

    def down(self) -> None:
        """Remove containers, volumes and networks."""
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "20")

    def make_secrets(self) -> None:
        """Generate the secrets with the image, as docs/cluster.md describes, with hard characters."""
        container = ["docker", "run", "--rm", "--entrypoint", "python", "shopnow:local"]
        generated = output_of(*container, "-m", "shopnow.cluster.make_secrets")
        password = re.compile(r'^(\w+)="(\w+)"$', re.MULTILINE)
        self.secrets.write_text(
            password.sub(lambda match: f"{match[1]}='{match[2]}{HARD_CHARACTERS}'", generated)
        )

    def secret(self, name: str) -> str:
        match = re.search(rf"^SHOPNOW_{name}='([^']+)'$", self.secrets.read_text(), re.MULTILINE)
        if not match:
            raise RuntimeError(f"SHOPNOW_{name} is not among the generated passwords")
        return match[1]

    def inspect(self, service: str) -> Any:
        """Return the result of `docker inspect` for a service's first container."""
        [container_id, *_] = self.run("ps", "--all", "--quiet", service).stdout.split()
        return json.loads(output_of("docker", "inspect", container_id))[0]

    def running_services(self) -> list[str]:
        return sorted(self.run("ps", "--services", "--status", "running").stdout.split())

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a compose command and capture its output, whatever its exit status."""
        return subprocess.run(
            [*self._command, *words],
            cwd=ROOT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
        )

    def compose(self, *words: str) -> None:
        """Run a compose command with its output on the terminal.

        Raises:
            subprocess.CalledProcessError: the command failed.
        """
        subprocess.run([*self._command, *words], cwd=ROOT, env=self._environment, check=True)

    def tool(self, *words: str, stdin: str | None = None) -> str:
        """Run an admin tool of Kafka or HDFS and return its output.

        Raises:
            RuntimeError: the tool failed.
        """
        result = self.run("run", "--rm", "--no-deps", "-T", "setup", *words, stdin=stdin)
        if result.returncode:
            raise RuntimeError(f"{' '.join(words)}: {result.stderr.strip()[-2000:]}")
        return result.stdout

    def cli(self, *words: str) -> Any:
        """Return the JSON of `./shopnow … --json`, run in a container with a worker's memory limit.

        Raises:
            RuntimeError: the command printed nothing.
        """
        command = ["run", "--rm", "--no-deps", "-T", "airflow-worker", "cli", *words, "--json"]
        result = self.run(*command)
        if not result.stdout:
            raise RuntimeError(f"{' '.join(words)}: {result.stderr.strip()}")
        return json.loads(result.stdout)

    def api(self, path: str, body: dict[str, Any] | None = None, user: str = "admin") -> Any:
        """Call Airflow's REST API as a user; POST if there is a body."""
        if user not in self._tokens:
            login = {"username": user, "password": self.secret(f"{user.upper()}_PASSWORD")}
            self._tokens[user] = self._request("/auth/token", login, {})["access_token"]
        return self._request(f"/api/v2{path}", body, {"Authorization": f"Bearer {self._tokens[user]}"})

    def _request(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data, {"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


def run_scenario(
    parser: argparse.ArgumentParser,
    profile: Callable[[argparse.Namespace], str],
    scenario: Callable[[Stack, argparse.Namespace], bool],
) -> int:
    """Parse the command line, run a scenario on a new stack, and remove the stack again.

    Args:
        parser: gets the options that all scripts have: `--port`, `--patience` and `--keep`.
        profile: chooses the compose profile.
        scenario: starts the stack and returns whether all checks passed.

    Returns:
        The exit status of the script.
    """
    parser.add_argument("--port", type=int, default=18080, help="port of the UI on 127.0.0.1")
    parser.add_argument("--patience", type=float, default=1800, help="timeout of each step in seconds")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    arguments = parser.parse_args()
    keep = arguments.keep
    with tempfile.NamedTemporaryFile("w", prefix="shopnow-", suffix=".env", delete=not keep) as file:
        stack = Stack(profile(arguments), arguments.port, Path(file.name))
        try:
            passed = scenario(stack, arguments)
        except EXPECTED_ERRORS as error:
            log(str(error))
            stack.compose("ps", "--all")
            stack.compose("logs", "--tail", "30")
            passed = False
        finally:
            if keep:
                log(f"the stack is left running: {stack.address}, secrets in {file.name}")
            else:
                stack.down()
    log("PASSED" if passed else "FAILED")
    return 0 if passed else 1


def log(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def wait_for(description: str, condition: Callable[[], Any], seconds: float) -> Any:
    """Wait for a condition and return its first true value.

    Raises:
        TimeoutError: the condition was still false after that many seconds.
    """
    started = time.monotonic()
    while not (value := condition()):
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{description}: timed out after {seconds:.0f} s")
        time.sleep(3)
    log(f"{description}, after {time.monotonic() - started:.0f} s")
    return value


def output_of(*command: str) -> str:
    """Run a command and return its standard output.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
