"""The processes that meet the faults: a step of the pipeline in its own process, as an Airflow task runs it.

`kill_at` kills the process itself at a failpoint. A `strike` sends a signal to it or to another process,
`delay` seconds after this one has passed a failpoint for the n-th time. A `mutation` disables one protection
here (see `protections.mutations`).

The processes are forked from a server that has imported the pipeline and has connected to nothing, because
the imports take longer than most steps.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from multiprocessing import context, forkserver, get_context
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import psutil
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
    """A signal to a process, sent when the worker passes a failpoint."""

    point: str
    passage: int
    pid: int | None
    """The process; None for the worker itself."""
    signal: int
    delay: float = 0.0


class Ended(NamedTuple):
    """The end of a worker."""

    code: int
    """Exit code as in `multiprocessing`: negative for the signal that killed the process."""
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
        self._folder = tempfile.TemporaryDirectory(prefix="shopnow-worker-")
        self._files = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        task = {
            "step": step,
            "arguments": arguments,
            "kill_at": kill_at,
            "strike": strike,
            "mutation": mutation,
        }
        self._process = _fork_server().Process(target=main, args=(task, *self._files))
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid
        self._step = step

    def wait(self, seconds: float = TIMEOUT_SECONDS) -> Ended:
        """Wait for the end, and kill the process after `seconds`.

        Raises:
            TimeoutError: the process had to be killed.
        """
        self._process.join(seconds)
        if (code := self._process.exitcode) is None:
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"{self._step} did not end within {seconds} s")
        # A process that was killed early has opened no file.
        output, errors = (file.read_text() if file.exists() else "" for file in self._files)
        ended = Ended(code, json.loads(output) if code == 0 else None, errors, time.monotonic())
        self._folder.cleanup()
        if ended.is_hung:
            isolated_process.hung.append(self._step)
        return ended

    def is_frozen(self) -> bool:
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def has_ended(self) -> bool:
        return not self._process.is_alive()


@cache
def _fork_server() -> context.ForkServerContext:
    """Start the process from which workers are forked; it has imported this module."""
    server = get_context("forkserver")
    server.set_forkserver_preload([__name__])
    path = os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT / "tests")])
    with mock.patch.dict(os.environ, PYTHONPATH=path):
        forkserver.ensure_running()
    return server


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
        os.kill(strike.pid or os.getpid(), strike.signal)

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


def main(task: dict[str, Any], stdout: Path, stderr: Path) -> None:
    """Run the step in this process; `stdout` and `stderr` receive its output, also that of native code."""
    for stream, file in ((sys.stdout, stdout), (sys.stderr, stderr)):
        stream.flush()
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), stream.fileno())
    if task["kill_at"]:
        os.environ[failpoints.ENV_VARIABLE] = task["kill_at"]
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
        sys.exit(1)
