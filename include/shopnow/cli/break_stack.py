"""`break`: inject a fault into the local stack, watch the recovery, and prove that nothing is lost."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from shopnow import connections
from shopnow.audit.verify import verify
from shopnow.cli.output import Json, complain, print_json, print_table, reporter, say
from shopnow.cli.pipeline import print_checks
from shopnow.drills import drill
from shopnow.drills.faults import FAULTS, Fault, Target
from shopnow.drills.observe import SOURCES, Observer, Value
from shopnow.drills.restore import restore_killed_drill
from shopnow.errors import UserError
from shopnow.local_stack import airflow_api, supervision
from shopnow.settings import Settings
from shopnow.text_format import build_table

FIGURES = tuple(SOURCES)
_RUN_SECONDS = 600
_POLL_SECONDS = 2.0

Report = Callable[[str, str], None]


def break_stack(
    name: Annotated[
        str | None,
        typer.Argument(metavar="FAULT", help=f"One of {', '.join(FAULTS)}. Lists them if left out."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Inject a fault into the local stack, watch lag, quarantine, alerts and recovery, and run verify.

    The fault is always undone: at the end, after Ctrl-C, and if this command is
    killed, by the next ./shopnow command. Refuses to break other services.
    """
    if name is None:
        _list(as_json)
        return
    if name not in FAULTS:
        raise UserError(f"no fault {name!r}; expected one of {', '.join(FAULTS)}")
    fault, target = FAULTS[name], _target()
    if not yes:
        say(f"{fault.title}. Watch: {fault.watch}. Stays: {fault.stays}.")
        if not typer.confirm("Break it?", err=True):
            sys.exit(1)
    observer = Observer(target)
    with observer.running(), _progress(observer, as_json) as report:
        recovery = drill.run(target, name, fault, report)
        checks = verify(target.conf, target.lake, report)
    is_proved = all(check.ok for check in checks)
    if as_json:
        print_json(
            {
                "fault": name,
                "seconds": recovery._asdict(),
                "highest": observer.highest,
                "stays": fault.stays,
                "ok": is_proved,
                "checks": [check._asdict() for check in checks],
            }
        )
    else:
        _print_summary(fault, recovery, observer.highest)
        print_checks(checks)
    if not is_proved:
        broken = next(check for check in checks if not check.ok)
        complain(f"{broken.check}: {broken.detail}")
        sys.exit(1)


def undo_killed_drill(settings: Settings) -> None:
    """Undo the fault of a drill that was killed; complain and go on if that is not possible yet."""
    try:
        restore_killed_drill(settings, reporter())
    except (UserError, OSError) as error:
        complain(f"the fault of a killed drill is not undone yet, the next command tries again: {error}")


def _target() -> Target:
    """Return the local stack.

    Raises:
        UserError: it is not local, or does not run completely.
    """
    settings = Settings.load()
    active = connections.load(settings)
    local = connections.local_defaults(settings)
    foreign = [id_ for id_ in ("kafka_default", "webhdfs_default") if active[id_] != local[id_]]
    if foreign:
        raise UserError(
            f"{', '.join(foreign)} is not the local stack: faults are injected into the local stack only"
        )
    stopped = [process.name for process in supervision.list_processes(settings) if not process.running]
    if stopped:
        raise UserError(f"not running: {', '.join(stopped)}; run ./shopnow up first")
    conf, lake = connections.kafka_conf(active), connections.lake_uri(active)
    return Target(settings, conf, lake, lambda params: _send_traffic(settings, params))


def _send_traffic(settings: Settings, params: Mapping[str, Any]) -> None:
    """Run the DAG generate_traffic to its end.

    Raises:
        UserError: the run failed, or takes too long.
    """
    with airflow_api.connect(settings) as api:
        began = datetime.now(UTC)
        run_id = airflow_api.trigger(api, "generate_traffic", dict(params))
        deadline = time.monotonic() + _RUN_SECONDS
        while time.monotonic() < deadline:
            runs = airflow_api.list_runs(api, "generate_traffic", began)
            states = {run["dag_run_id"]: run["state"] for run in runs}
            if states.get(run_id) == "success":
                return
            if states.get(run_id) == "failed":
                break
            time.sleep(_POLL_SECONDS)
    raise UserError(f"the run {run_id} of generate_traffic did not succeed: see it in Airflow")


@contextmanager
def _progress(observer: Observer, as_json: bool) -> Iterator[Report]:
    """Yield a function that reports steps; in a terminal, above a live table of the figures."""
    report = reporter()
    console = Console(stderr=True)
    if as_json or not console.is_terminal:
        yield report
        return
    with Live(get_renderable=lambda: _figures(observer), console=console, refresh_per_second=2):
        # Live redirects what others print while it is active, and shows it above the table.
        yield report


def _figures(observer: Observer) -> Table:
    rows = [
        (name, _cell(observer.latest[name]), _cell(Value(observer.highest.get(name)))) for name in FIGURES
    ]
    return build_table("Now", ("figure", "now", "highest so far"), rows)


def _cell(value: Value) -> str:
    if value.value is None:
        return value.error and f"no answer ({value.error})"
    if isinstance(value.value, int):
        return f"{value.value:,}"
    return ", ".join(value.value) or "none"


def _print_summary(fault: Fault, recovery: drill.Recovery, highest: Mapping[str, Any]) -> None:
    rows = [
        ("fault", fault.title),
        ("undone after", f"{recovery.undone:.0f} s"),
        ("recovered after", f"{recovery.recovered:.0f} s"),
        *((name, _cell(Value(highest.get(name)))) for name in FIGURES),
        ("stays", fault.stays),
    ]
    print_table("Drill", ("", ""), rows)


def _list(as_json: bool) -> None:
    if as_json:
        faults = [
            {"name": name, "title": fault.title, "watch": fault.watch, "stays": fault.stays}
            for name, fault in FAULTS.items()
        ]
        print_json({"faults": faults})
        return
    rows = [(name, fault.title, fault.watch) for name, fault in FAULTS.items()]
    print_table("./shopnow break …", ("fault", "what happens", "watch"), rows)
