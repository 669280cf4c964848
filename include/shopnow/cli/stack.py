"""`up`, `down` and `status`: the services on this machine."""

from typing import Annotated

import typer

from shopnow import connections
from shopnow.broker import held_back
from shopnow.broker.held_back import HeldBack
from shopnow.cli.output import Json, complain, print_json, print_table, reporter, say
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.local_stack import airflow, incidents, stack, supervision
from shopnow.local_stack.services import SERVICES, is_ready
from shopnow.settings import Settings


def up(
    services: Annotated[
        list[str] | None, typer.Argument(help="Start only these services; all by default.")
    ] = None,
) -> None:
    """Start the services that are not running, and wait until each is ready."""
    unknown = set(services or ()) - set(SERVICES)
    if unknown:
        raise UserError(
            f"unknown service {', '.join(sorted(unknown))}: expected one of {', '.join(SERVICES)}"
        )
    settings = Settings.load()
    stack.up(settings, reporter(), services or tuple(SERVICES))
    if not services:
        say_endpoints(settings)


def down() -> None:
    """Stop every service; data is kept."""
    settings = Settings.load()
    stack.down(settings)
    say(f"stopped; data is kept in {settings.data_dir}")


def status(as_json: Json = False) -> None:
    """Show the state of every service, the open incidents, and records that Kafka holds back."""
    settings = Settings.load()
    known, _ = incidents.load(settings)
    open_incidents = [incident for incident in known.values() if not incident.resolved_at]
    rows = [(process, _state(process, settings)) for process in supervision.list_processes(settings)]
    if supervision.unsupervised_processes(settings):
        complain(supervision.UNSUPERVISED)
    held = _held_back(settings) if ("kafka", "running") in [(row[0].name, row[1]) for row in rows] else []
    if as_json:
        active = connections.load(settings)
        services = [{"name": process.name, "state": state, "pid": process.pid} for process, state in rows]
        print_json(
            {
                "kafka": {"bootstrap_servers": connections.kafka_conf(active)["bootstrap.servers"]},
                "hdfs": {"url": _webhdfs(active), "lake": connections.lake_uri(active)},
                "airflow": {
                    "url": airflow.url(settings),
                    "username": airflow.ADMIN_USER,
                    "password_file": str(airflow.password_file(settings)),
                },
                "services": services,
                "incidents": [
                    {"what": incident.description, "since": incident.since, "told": incident.notified}
                    for incident in open_incidents
                ],
                "held_back": [
                    {**topic._asdict(), "since": topic.since and topic.since.isoformat()} for topic in held
                ],
            }
        )
        return
    print_table(
        "Services",
        ("service", "state", "pid", "detail"),
        [(process.name, state, str(process.pid or ""), process.detail) for process, state in rows],
    )
    if open_incidents:
        print_table(
            "Incidents",
            ("problem", "since", "notified"),
            [
                (incident.description, incident.since[:19], ", ".join(incident.notified))
                for incident in open_incidents
            ],
        )
    for topic in held:
        say(str(topic))
    dead = [process.name for process, state in rows if state == "dead"]
    if dead:
        logs = supervision.log_dir(settings)
        say(f"dead: {', '.join(dead)}; they are restarted, their logs are in {logs}")


def say_endpoints(settings: Settings) -> None:
    """Print the addresses of the services and how to log in."""
    say(
        f"Airflow   {airflow.base_url(settings)}   "
        f"user {airflow.ADMIN_USER}, password {airflow.password(settings)}"
    )
    say(f"HDFS      http://127.0.0.1:{settings.ports['namenode_http']}")
    say(f"Slack     http://127.0.0.1:{settings.ports['slack']}/messages")
    say(f"Mail      {settings.data_dir / 'smtp'}")


def _state(process: supervision.Process, settings: Settings) -> str:
    if process.died:
        return "dead"
    if not process.running:
        return "stopped"
    return "running" if is_ready(SERVICES[process.name], settings) else "starting"


def _held_back(settings: Settings) -> list[HeldBack]:
    """Return the topics with records held back; none if Kafka does not say, as its state is shown anyway."""
    try:
        return held_back.read(connections.kafka_conf(connections.load(settings)), TOPICS)
    except UserError:
        return []


def _webhdfs(active: dict[str, connections.Connection]) -> str:
    webhdfs = active["webhdfs_default"]
    return f"http://{webhdfs['host']}:{webhdfs['port']}"
