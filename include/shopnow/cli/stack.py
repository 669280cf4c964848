"""`up`, `down` and `status`: the services on this machine."""

from typing import Annotated

import typer

from shopnow import connections
from shopnow.cli.output import Json, print_json, print_table, reporter, say
from shopnow.errors import UserError
from shopnow.local_stack import airflow, incidents, stack, supervision
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.settings import Settings


def up(
    services: Annotated[list[str] | None, typer.Argument(help="Only these services; all by default.")] = None,
) -> None:
    """Start the services that do not run, and wait until each answers."""
    unknown = set(services or ()) - set(SERVICES)
    if unknown:
        raise UserError(f"no service is called {', '.join(sorted(unknown))}: they are {', '.join(SERVICES)}")
    settings = Settings.load()
    stack.up(settings, reporter(), services or tuple(SERVICES))
    if not services:
        say_where(settings)


def down() -> None:
    """Stop every service; data stays."""
    settings = Settings.load()
    stack.down(settings)
    say(f"stopped; data is kept in {settings.data_dir}")


def status(as_json: Json = False) -> None:
    """Say which services run, name those that died, and what else the watchdog has found wrong."""
    settings = Settings.load()
    known, _ = incidents.load(settings)
    wrong = [each for each in known.values() if not each.over]
    rows = [(process, _state(process, settings)) for process in supervision.processes(settings)]
    if as_json:
        in_force = connections.load(settings)
        services = [{"name": process.name, "state": state, "pid": process.pid} for process, state in rows]
        print_json(
            {
                "kafka": {"bootstrap_servers": connections.kafka_conf(in_force)["bootstrap.servers"]},
                "hdfs": {"url": _webhdfs(in_force), "lake": connections.lake_uri(in_force)},
                "airflow": {
                    "url": airflow.url(settings),
                    "username": airflow.USERNAME,
                    "password_file": str(airflow.password_file(settings)),
                },
                "services": services,
                "incidents": [{"what": each.what, "since": each.since, "told": each.told} for each in wrong],
            }
        )
        return
    print_table(
        "Services",
        ("service", "state", "pid", "detail"),
        [(process.name, state, str(process.pid or ""), process.detail) for process, state in rows],
    )
    if wrong:
        print_table(
            "Incidents",
            ("what", "since", "told"),
            [(each.what, each.since[:19], ", ".join(each.told)) for each in wrong],
        )
    dead = [process.name for process, state in rows if state == "dead"]
    if dead:
        say(
            f"dead: {', '.join(dead)}; ./shopnow up starts them again, their logs are in {supervision.logs(settings)}"
        )


def say_where(settings: Settings) -> None:
    """Tells where to look and how to log in."""
    say(f"Airflow   {airflow.url(settings)}   user {airflow.USERNAME}, password {airflow.password(settings)}")
    say(f"HDFS      http://127.0.0.1:{settings.ports['namenode_http']}")
    say(f"Slack     http://127.0.0.1:{settings.ports['slack']}/messages")
    say(f"Mail      {settings.data_dir / 'smtp'}")


def _state(process: supervision.Process, settings: Settings) -> str:
    if process.died:
        return "dead"
    if not process.running:
        return "stopped"
    return "running" if is_ready(SERVICES[process.name], settings) else "starting"


def _webhdfs(in_force: dict[str, connections.Connection]) -> str:
    webhdfs = in_force["webhdfs_default"]
    return f"http://{webhdfs['host']}:{webhdfs['port']}"
