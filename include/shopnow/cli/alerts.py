"""`alerts`: how they stand, and what people do about them."""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from shopnow.alerts import commands, time_parsing
from shopnow.alerts.commands import Attribution
from shopnow.alerts.status import Overview, overview
from shopnow.cli.alerts_backtest import try_rules
from shopnow.cli.endpoints import addresses
from shopnow.cli.output import Json, minute, print_json, print_table, say
from shopnow.lake.delta import errors

app = typer.Typer(
    help="Alerts: list them, acknowledge or silence them, try rules on the past.", invoke_without_command=True
)

app.command("test")(try_rules)

Why = Annotated[str, typer.Option("--why", help="Kept with the alert for ever.")]


@app.callback()
def show(
    context: typer.Context,
    history: Annotated[bool, typer.Option("--all", help="Show every change of every alert as well.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many changes to show, the newest first.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Show what fires or is acknowledged, what is silenced, and messages that are not out or are dead."""
    if context.invoked_subcommand:
        return
    _, lake = addresses()
    with errors.as_user_errors(lake):
        found = overview(lake, datetime.now(UTC))
    found = found._replace(history=found.history[:limit] if history else [])
    if as_json:
        print_json(
            found._asdict()
            if history
            else {name: value for name, value in found._asdict().items() if name != "history"}
        )
    else:
        _print(found, history)


@app.command()
def ack(
    fingerprint: Annotated[
        str, typer.Argument(help="The alert, such as stock_out:p-001; ./shopnow alerts lists them.")
    ],
    why: Why,
    as_json: Json = False,
) -> None:
    """Acknowledge an alert: it is not told again, until it is over."""
    _, lake = addresses()
    with errors.as_user_errors(lake):
        alert = commands.acknowledge(lake, fingerprint, Attribution(getpass.getuser(), why))
    if as_json:
        print_json({"fingerprint": alert.fingerprint, "state": alert.state, "since": alert.since})
    else:
        say(f"acknowledged: {alert.title}: {alert.subject_name}; its end will be told")


@app.command()
def silence(
    target: Annotated[
        str, typer.Argument(metavar="RULE|FINGERPRINT", help="A rule of rules.toml, or one alert.")
    ],
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    why: Why,
    as_json: Json = False,
) -> None:
    """Tell nothing of an alert, or of all of a rule's, for a while. A later silence of the same takes its place."""
    until = datetime.now(UTC) + time_parsing.parse(span)
    _, lake = addresses()
    with errors.as_user_errors(lake):
        made = commands.silence(lake, target, until, Attribution(getpass.getuser(), why))
    if as_json:
        print_json(made._asdict())
    else:
        say(f"silenced until {minute(made.until)} UTC: {made.target}; what still fires then will be told")


def _print(found: Overview, history: bool) -> None:
    columns = ("state", "severity", "alert", "what", "now", "since", "owner", "told", "")
    print_table("Alerts", columns, [_alert_cells(each) for each in found.alerts])
    if found.silences:
        print_table(
            "Silences", ("of", "until", "by", "why"), [_silence_cells(each) for each in found.silences]
        )
    if found.messages:
        titles = ("channel", "state", "attempts", "message", "since", "why")
        print_table("Messages not known to be out", titles, [_message_cells(each) for each in found.messages])
    if history:
        titles = ("at", "state", "alert", "what", "then", "")
        print_table(
            "What happened, the newest first", titles, [_change_cells(each) for each in found.history]
        )


def _alert_cells(alert: dict[str, Any]) -> tuple[Any, ...]:
    remarks = [
        _word(alert),
        f"silenced until {minute(alert['silenced_until'])}" if alert["silenced_until"] else "",
    ]
    names = ("state", "severity", "fingerprint")
    return (
        *(alert[name] for name in names),
        _what(alert),
        alert["facts"],
        minute(alert["since"]),
        alert["owner"],
        minute(alert["told_at"]),
        "; ".join(filter(None, remarks)),
    )


def _message_cells(message: dict[str, Any]) -> tuple[Any, ...]:
    names = ("channel", "state", "attempts", "dedup_key")
    return (*(message[name] for name in names), minute(message["queued_at"]), message["reason"] or "")


def _change_cells(change: dict[str, Any]) -> tuple[Any, ...]:
    return (
        minute(change["at"]),
        change["state"],
        change["fingerprint"],
        _what(change),
        change["facts"],
        _word(change),
    )


def _silence_cells(silence: dict[str, Any]) -> tuple[Any, ...]:
    return (silence["target"], minute(silence["until"]), silence["by"], silence["why"])


def _what(alert: dict[str, Any]) -> str:
    return f"{alert['title']}: {alert['subject_name']}"


def _word(alert: dict[str, Any]) -> str:
    return f"{alert['by']}: {alert['reason']}" if alert["by"] else ""
