"""The processes that meet the faults: a step of the pipeline, as a task of Airflow would run it, in a process of its own.

    python -m faults.worker '{"step": "land", "arguments": {…}, "strike": null, "mutation": null}'

`SHOPNOW_KILL_AT` kills the process itself. A `strike` signals another one when this one passes a kill point for the n-th
time, `delay` seconds after. A `mutation` takes one protection out of this process (see `protections.mutations`).
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from support import isolated_process
from shopnow import failpoints, hard_timeout
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.ingest import landing
from shopnow.settings import ROOT
from shopnow.traffic import generate

TIMEOUT_SECONDS = 400
ATTEMPTS = 5
"""Airflow tries less often, but waits longer in between."""


class Strike(NamedTuple):
    """A signal to another process, sent when the worker passes a kill point."""

    point: str
    passage: int
    pid: int
    signal: int
    delay: float = 0.0


class Ended(NamedTuple):
    code: int
    """As of `subprocess`: minus the signal that killed it."""
    answer: Any
    """What the step returned, if it did."""
    errors: str
    at: float
    """When, by `time.monotonic`."""

    @property
    def hung(self) -> bool:
        """Whether the watchdog ended it."""
        return self.code == 1 and "Timeout (" in self.errors


class Worker:
    """A step that runs in a process of its own."""

    def __init__(
        self,
        step: str,
        *,
        kill_at: str | None = None,
        strike: Strike | None = None,
        mutation: str | None = None,
        **arguments: Any,
    ) -> None:
        task = {"step": step, "arguments": arguments, "strike": strike, "mutation": mutation}
        path = os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT / "tests")])
        environment = {**os.environ, "PYTHONPATH": path} | (
            {failpoints.ENV_VARIABLE: kill_at} if kill_at else {}
        )
        command = [sys.executable, "-m", "faults.worker", json.dumps(task)]
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._step = step

    def wait(self, seconds: float = TIMEOUT_SECONDS) -> Ended:
        """How it ended; it is killed if it has not by then.

        Raises:
            subprocess.TimeoutExpired: it had to be killed.
        """
        try:
            output, errors = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        code = self._process.returncode
        ended = Ended(code, json.loads(output) if code == 0 else None, errors, time.monotonic())
        if ended.hung:
            isolated_process.hung.append(self._step)
        return ended

    def ended(self) -> bool:
        return self._process.poll() is not None


def run(step: str, **options: Any) -> Ended:
    """A step, waited for."""
    return Worker(step, **options).wait()


def retried(ended: Ended, step: str, **options: Any) -> Ended:
    """The step, as Airflow would try it again until it ends well; every failure has to be one clear line."""
    for _ in range(ATTEMPTS):
        if ended.code == 0:
            break
        if ended.hung:
            ended = run(step, **options)
            continue
        # Beside it the HDFS client may warn.
        told = [line for line in ended.errors.splitlines() if "WARN  hdfs_native" not in line]
        assert ended.code == 1, ended
        assert [line.partition(":")[0] for line in told] == ["shopnow"], ended
        ended = run(step, **options)
    assert ended.code == 0, f"{step} failed {ATTEMPTS} times more: {ended.errors}"
    return ended


def land(
    conf: dict, lake: str, topics: Sequence[str], kafka_topic: str | None = None, **sizes: int
) -> dict[str, Any]:
    """Lands the topics one after the other; what `landing.land` says of each, by topic."""
    return {
        name: asdict(landing.land(conf, lake, TOPICS[name], kafka_topic=kafka_topic, **sizes))
        for name in topics
    }


def traffic(conf: dict, run_id: str, sessions: int, seed: int) -> dict[str, Any]:
    """A run of the generator, in transactions of a few sessions."""
    done = generate.generate(conf, run_id, sessions, seed, sessions_per_transaction=20)
    return {"events": done.events, "already_done": done.already_done}


STEPS = {"land": land, "traffic": traffic}


def install_strike(strike: Strike) -> None:
    """Make every `failpoint` of this process send the strike's signal when it comes to its point."""
    passed = 0
    lock = threading.Lock()

    def send() -> None:
        os.kill(strike.pid, strike.signal)

    def failpoint(point: str) -> None:
        nonlocal passed
        with lock:
            passed += point == strike.point
            is_due = point == strike.point and passed == strike.passage
        if is_due and strike.delay:
            threading.Timer(strike.delay, send).start()
        elif is_due:
            send()

    original = failpoints.failpoint
    for module in list(sys.modules.values()):
        if getattr(module, "failpoint", None) is original:
            module.failpoint = failpoint  # type: ignore[attr-defined]


def main(task: dict[str, Any]) -> int:
    hard_timeout.start(isolated_process.LIMIT)
    if task["mutation"]:
        from protections.mutations import MUTATIONS

        MUTATIONS[task["mutation"]]()
    if task["strike"]:
        install_strike(Strike(*task["strike"]))
    try:
        print(json.dumps(STEPS[task["step"]](**task["arguments"]), default=str))
    except (UserError, KafkaException) as error:
        print(f"shopnow: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
