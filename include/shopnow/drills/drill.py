"""A drill: inject a fault, undo it whatever happens, and wait until the pipeline has recovered."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import NamedTuple

from shopnow.drills import journal, observe
from shopnow.drills.faults import Fault, Target
from shopnow.drills.restore import restore, restore_killed_drill
from shopnow.errors import UserError
from shopnow.lake.delta import errors
from shopnow.lake.ingest import lag
from shopnow.lake.lineage import freshness

RECOVERY_SECONDS = 600
_POLL_SECONDS = 1.0

Report = Callable[[str, str], None]


class Recovery(NamedTuple):
    """Times of a drill in seconds since the fault."""

    undone: float
    recovered: float


def run(target: Target, name: str, fault: Fault, report: Report) -> Recovery:
    """Run a drill to the end of the recovery.

    Raises:
        UserError: another drill runs, an operator's step failed, or the pipeline did not recover in time.
            The fault is undone all the same.
    """
    restore_killed_drill(target.settings, report)
    entry = journal.begin(target.settings, name, target.lake, fault.plan(target))
    try:
        report("fault", fault.title)
        began = time.monotonic()
        fault.inject(target)
        traffic = _start_traffic(target, fault)
        time.sleep(fault.hold_seconds)
        fault.recover(target)
    finally:
        restore(target.settings, entry, report)
    report("fault", "undone")
    undone = time.monotonic() - began
    _await_recovery(target, traffic, report)
    report("recovery", "complete")
    return Recovery(undone, time.monotonic() - began)


def _start_traffic(target: Target, fault: Fault) -> Future[None]:
    """Send the traffic of the drill from a daemon thread, so that Ctrl-C need not wait for its end."""
    future: Future[None] = Future()

    def send() -> None:
        try:
            future.set_result(target.send_traffic(fault.traffic))
        except Exception as error:  # raised where the result is read
            future.set_exception(error)

    threading.Thread(target=send, daemon=True).start()
    return future


def _await_recovery(target: Target, traffic: Future[None], report: Report) -> None:
    """Wait until the traffic is sent, all services answer, and all records are landed and computed.

    Raises:
        UserError: this takes too long, or the traffic failed.
    """
    deadline = time.monotonic() + RECOVERY_SECONDS
    sent_at: datetime | None = None
    while True:
        pending = "traffic"
        if traffic.done():
            traffic.result()
            sent_at = sent_at or datetime.now(UTC)
            pending = _pending(target, sent_at)
        if not pending:
            return
        report("recovery", f"waits for {pending}")
        if time.monotonic() > deadline:
            raise UserError(
                f"not recovered after {RECOVERY_SECONDS} s: waits for {pending}; see ./shopnow status"
            )
        time.sleep(_POLL_SECONDS)


def _pending(target: Target, moment: datetime) -> str:
    """Return what the recovery waits for; empty if nothing."""
    if down := observe.services(target):
        return f"services: {', '.join(down)}"
    try:
        with errors.as_user_errors(target.lake):
            if any(not position.is_landed for position in lag.positions(target.conf, target.lake)):
                return "landing"
            if topics := freshness.lagging_topics(target.conf, target.lake, moment):
                return f"events of {', '.join(topics)}"
    except UserError as error:
        return f"an answer: {error}"
    return ""
