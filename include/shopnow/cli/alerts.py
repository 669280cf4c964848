"""`alerts`: list, acknowledge and silence alerts."""

import getpass
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from shopnow.alerts import commands, time_parsing
from shopnow.alerts.commands import Attribution
from shopnow.alerts.proposals import ProposalState
from shopnow.alerts.status import Overview, overview
from shopnow.cli.alerts_backtest import backtest_rules
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, minute, print_json, print_table, say
from shopnow.lake.delta import errors

app = typer.Typer(
    help="Alerts: list, acknowledge or silence them; backtest rules.", invoke_without_command=True
)

app.command("test")(backtest_rules)

Why = Annotated[str, typer.Option("--why", help="Reason, recorded for ever.")]


@app.callback()
def show(
    context: typer.Context,
    history: Annotated[
        bool, typer.Option("--all", help="Also show every state change of every alert.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Maximum number of changes, newest first.")
    ] = 100,
    as_json: Json = False,
) -> None:
    """Show firing and acknowledged alerts, silences, and messages that are queued or dead."""
    if context.invoked_subcommand:
        return
    _, lake = endpoints()
    with errors.as_user_errors(lake):
        status = overview(lake, datetime.now(UTC))
    status = status._replace(history=status.history[:limit] if history else [])
    if as_json:
        print_json(
            status._asdict()
            if history
            else {name: value for name, value in status._asdict().items() if name != "history"}
        )
    else:
        _print(status, history)


@app.command()
def ack(
    fingerprint: Annotated[
        str,
        typer.Argument(
            help="Fingerprint of the alert, such as stock_out:p-001; ./shopnow alerts lists them."
        ),
    ],
    why: Why,
    as_json: Json = False,
) -> None:
    """Acknowledge an alert: no more reminders until it resolves."""
    _, lake = endpoints()
    with errors.as_user_errors(lake):
        alert = commands.acknowledge(lake, fingerprint, Attribution(getpass.getuser(), why))
    if as_json:
        print_json({"fingerprint": alert.fingerprint, "state": alert.state, "since": alert.since})
    else:
        say(f"acknowledged: {alert.title}: {alert.subject_name}; you will be notified when it resolves")


@app.command()
def silence(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RULE|FINGERPRINT", help="A rule of rules.toml, or the fingerprint of one alert."
        ),
    ],
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")],
    why: Why,
    as_json: Json = False,
) -> None:
    """Suppress notifications for an alert or a rule for a while. A later silence replaces an earlier one."""
    until = datetime.now(UTC) + time_parsing.parse_duration(span)
    _, lake = endpoints()
    with errors.as_user_errors(lake):
        new_silence = commands.silence(lake, target, until, Attribution(getpass.getuser(), why))
    if as_json:
        print_json(new_silence._asdict())
    else:
        end = minute(new_silence.until)
        say(f"silenced until {end} UTC: {new_silence.target}; alerts still firing then will be notified")


def _print(status: Overview, history: bool) -> None:
    columns = ("state", "severity", "alert", "what", "now", "since", "owner", "notified", "restock", "")
    print_table("Alerts", columns, [_alert_cells(alert) for alert in status.alerts])
    if summary := _proposal_summary(status):
        say(summary)
    if status.silences:
        print_table(
            "Silences",
            ("target", "until", "by", "reason"),
            [_silence_cells(entry) for entry in status.silences],
        )
    if status.messages:
        titles = ("channel", "state", "attempts", "message", "since", "reason")
        print_table(
            "Messages not confirmed as sent", titles, [_message_cells(message) for message in status.messages]
        )
    if history:
        titles = ("at", "state", "alert", "what", "then", "")
        print_table(
            "State changes, newest first", titles, [_change_cells(change) for change in status.history]
        )


def _alert_cells(alert: dict[str, Any]) -> tuple[Any, ...]:
    remarks = [
        _attribution(alert),
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
        alert["restock"] or "",
        "; ".join(filter(None, remarks)),
    )


def _proposal_summary(status: Overview) -> str:
    """One line about the restock proposals; empty if none is open or waits."""
    states = {alert["subject"]: alert["restock"] for alert in status.alerts if alert["restock"]}
    counts = Counter(states.values())
    if not (counts[ProposalState.OPEN] or counts[ProposalState.WAITING]):
        return ""
    return (
        f"restock proposals: {counts[ProposalState.OPEN]:,} open, to be answered in Airflow (Browse, "
        f"Required Actions); {counts[ProposalState.WAITING]:,} waiting until one of these is answered"
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
        _attribution(change),
    )


def _silence_cells(silence: dict[str, Any]) -> tuple[Any, ...]:
    return (silence["target"], minute(silence["until"]), silence["by"], silence["why"])


def _what(alert: dict[str, Any]) -> str:
    return f"{alert['title']}: {alert['subject_name']}"


def _attribution(alert: dict[str, Any]) -> str:
    return f"{alert['by']}: {alert['reason']}" if alert["by"] else ""
