"""The processes that meet the faults: a step of the pipeline in its own process, as an Airflow task runs it.

    python -m faults.worker '{"step": "land", "arguments": {…}, "strike": null, "mutation": null}'

`SHOPNOW_KILL_AT` kills the process itself. A `strike` sends a signal to another process, `delay` seconds
after this one has passed a failpoint for the n-th time. A `mutation` disables one protection here (see
`protections.mutations`).
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

from shopnow import failpoints, hard_timeout
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.lake.ingest import landing
from shopnow.settings import ROOT
from shopnow.traffic import generate
from support import isolated_process

TIMEOUT_SECONDS = 400
ATTEMPTS = 5
"""More attempts than in Airflow, which waits longer between them."""


class Strike(NamedTuple):
    """A signal to another process, sent when the worker passes a failpoint."""

    point: str
    passage: int
    pid: int
    signal: int
    delay: float = 0.0


class Ended(NamedTuple):
    """The end of a worker."""

    code: int
    """Exit code as in `subprocess`: negative for the signal that killed the process."""
    answer: Any
    """What the step returned; None if it failed."""
    errors: str
    at: float
    """Time of the end, by `time.monotonic`."""

    @property
    def is_hung(self) -> bool:
        """True if the hard timeout ended it."""
        return self.code == 1 and "Timeout (" in self.errors


class Worker:
    """A step that runs in its own process."""

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
        """Wait for the end, and kill the process after `seconds`.

        Raises:
            subprocess.TimeoutExpired: the process had to be killed.
        """
        try:
            output, errors = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        code = self._process.returncode
        ended = Ended(code, json.loads(output) if code == 0 else None, errors, time.monotonic())
        if ended.is_hung:
            isolated_process.hung.append(self._step)
        return ended

    def has_ended(self) -> bool:
        return self._process.poll() is not None


def run(step: str, **options: Any) -> Ended:
    """Run a step and wait for its end."""
    return Worker(step, **options).wait()


def retried(ended: Ended, step: str, **options: Any) -> Ended:
    """Retry the step, as Airflow would, until it succeeds; every failure must be one clear line."""
    for _ in range(ATTEMPTS):
        if ended.code == 0:
            break
        if ended.is_hung:
            ended = run(step, **options)
            continue
        # The HDFS client may add warnings of its own.
        messages = [line for line in ended.errors.splitlines() if "WARN  hdfs_native" not in line]
        assert ended.code == 1, ended
        assert [line.partition(":")[0] for line in messages] == ["shopnow"], ended
        ended = run(step, **options)
    assert ended.code == 0, f"{step} failed {ATTEMPTS} more times: {ended.errors}"
    return ended


def land(
    conf: dict, lake: str, topics: Sequence[str], kafka_topic: str | None = None, **sizes: int
) -> dict[str, Any]:
    """Land the topics one after the other; returns the result of `landing.land` by topic."""
    return {
        name: asdict(landing.land(conf, lake, TOPICS[name], kafka_topic=kafka_topic, **sizes))
        for name in topics
    }


def traffic(conf: dict, run_id: str, sessions: int, seed: int) -> dict[str, Any]:
    """Run the generator, in transactions of a few sessions."""
    summary = generate.generate(conf, run_id, sessions, seed, sessions_per_transaction=20)
    return {"events": summary.events, "already_done": summary.already_done}


STEPS = {"land": land, "traffic": traffic}


def install_strike(strike: Strike) -> None:
    """Make every `failpoint` of this process send the strike's signal when its point is passed."""
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
