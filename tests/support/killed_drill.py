"""A drill that dies as by kill -9 as soon as its fault is there."""

import multiprocessing
import os
import signal

from shopnow.broker.client import Conf
from shopnow.drills import journal
from shopnow.drills.faults import FAULTS, Target, frozen
from shopnow.settings import Settings


def kill(target: Target, name: str, frozen_service: str = "") -> None:
    """Run the fault of this name, or freeze a service, in a process that then kills itself."""
    # Spawned, as the clients of Kafka and HDFS do not survive a fork.
    context = multiprocessing.get_context("spawn")
    arguments = (target.settings, target.conf, target.lake, name, frozen_service)
    process = context.Process(target=_inject_and_die, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _inject_and_die(settings: Settings, conf: Conf, lake: str, name: str, frozen_service: str) -> None:
    fault = frozen(frozen_service, "frozen", "", 0) if frozen_service else FAULTS[name]
    target = Target(settings, conf, lake, lambda params: None)
    journal.begin(settings, name, lake, fault.plan(target))
    fault.inject(target)
    os.kill(os.getpid(), signal.SIGKILL)
