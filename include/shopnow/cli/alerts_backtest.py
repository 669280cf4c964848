"""`alerts test`: backtest alert rules on the history in the lake."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shopnow.alerts import backtest, rules, time_parsing
from shopnow.alerts.backtest import Backtest
from shopnow.cli.endpoints import endpoints
from shopnow.cli.output import Json, minute, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.lake.delta import errors


def backtest_rules(
    file: Annotated[
        Path,
        typer.Argument(metavar="RULES", help="Rules file; by default rules.toml of include/shopnow/alerts."),
    ] = rules.FILE,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="Start: a date or time in UTC, or a duration before now, such as 2026-07-01 or 7d.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluate rules hour by hour over the history in the lake and show the alerts; sends nothing."""
    rule_set = rules.load(file)
    begin = parse_since(since, datetime.now(UTC)) if since else None
    _, lake = endpoints()
    with errors.as_user_errors(lake):
        result = backtest.run(lake, rule_set, begin)
    if as_json:
        print_json(_replay(result))
    else:
        _print_replay(result, list(rule_set))


def parse_since(text: str, now: datetime) -> datetime:
    """Parse a date, a time or a duration before now.

    Raises:
        UserError: the text is none of them.
    """
    if re.match(time_parsing.DURATION_PATTERN, text):
        return now - time_parsing.parse_duration(text)
    try:
        return time_parsing.parse_time(text)
    except UserError:
        raise UserError(
            f"--since {text!r}: expected a date or time, such as 2026-07-01, or a duration, such as 7d"
        ) from None


def _print_replay(result: Backtest, names: Iterable[str]) -> None:
    rows = [
        (
            minute(at),
            "reminder" if change.repeated else str(change.alert.state),
            change.alert.fingerprint,
            change.alert.title,
            change.alert.facts,
        )
        for at, change in result.notifications
    ]
    print_table("Alerts", ("at", "", "alert", "title", "facts"), rows)
    fired, reminded, resolved = (Counter(name) for name in _kinds(result))
    print_table(
        "By rule",
        ("rule", "fired", "reminded", "resolved"),
        [(name, fired[name], reminded[name], resolved[name]) for name in names],
    )
    messages = len({at for at, _ in result.notifications})
    days = max((result.until - result.since).total_seconds() / 86_400, 1 / 24)
    span = f"{minute(result.since)} to {minute(result.until)} UTC"
    period = f"{span}, {result.evaluations:,} evaluations, one per hour"
    say(f"{messages:,} messages on each channel, {messages / days:.1f} per day; {period}")
    if result.skipped_rules:
        say(f"not evaluated, as the lake has no history for them: {', '.join(result.skipped_rules)}")


def _kinds(result: Backtest) -> tuple[list[str], list[str], list[str]]:
    """Return the rules that fired, sent a reminder and resolved, one name per occurrence."""
    alerts = [(change.alert, change.repeated) for _, change in result.notifications]
    return (
        [alert.rule for alert, repeated in alerts if alert.is_active and not repeated],
        [alert.rule for alert, repeated in alerts if repeated],
        [alert.rule for alert, _ in alerts if not alert.is_active],
    )


def _replay(result: Backtest) -> dict[str, Any]:
    notifications = [
        {
            "at": at,
            "repeated": change.repeated,
            "fingerprint": change.alert.fingerprint,
            **change.alert._asdict(),
        }
        for at, change in result.notifications
    ]
    return {
        "since": result.since,
        "until": result.until,
        "looks": result.evaluations,
        "told": notifications,
        "not_replayed": result.skipped_rules,
    }
