"""`alerts test`: what rules would have told of in the past."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shopnow.alerts import backtest, rules, time_parsing
from shopnow.alerts.backtest import Replay
from shopnow.cli.endpoints import addresses
from shopnow.cli.output import Json, minute, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.lake.delta import errors


def try_rules(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="RULES", help="A rules file; rules.toml of include/shopnow/alerts by default."
        ),
    ] = rules.FILE,
    since: Annotated[
        str | None, typer.Option("--since", help="A date or time, UTC, or a span before now: 2026-07-01, 7d.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what rules would have told of, hour by hour, over what the lake holds of the past; sends nothing."""
    rule_set = rules.load(file)
    begin = since_when(since, datetime.now(UTC)) if since else None
    _, lake = addresses()
    with errors.as_user_errors(lake):
        found = backtest.over(lake, rule_set, begin)
    if as_json:
        print_json(_replay(found))
    else:
        _print_replay(found, list(rule_set))


def since_when(text: str, now: datetime) -> datetime:
    """The time that a person means.

    Raises:
        UserError: it is none.
    """
    if re.match(time_parsing.PATTERN, text):
        return now - time_parsing.parse(text)
    try:
        return time_parsing.moment(text)
    except UserError:
        raise UserError(
            f"--since {text!r} is neither a date or time, such as 2026-07-01, nor a span such as 7d"
        ) from None


def _print_replay(found: Replay, names: Iterable[str]) -> None:
    rows = [
        (
            minute(at),
            "again" if change.repeated else str(change.alert.state),
            change.alert.fingerprint,
            change.alert.title,
            change.alert.facts,
        )
        for at, change in found.told
    ]
    print_table("Would have been told", ("at", "", "alert", "what", "then"), rows)
    fired, again, resolved = (Counter(name) for name in _kinds(found))
    print_table(
        "By rule",
        ("rule", "fired", "again", "resolved"),
        [(name, fired[name], again[name], resolved[name]) for name in names],
    )
    messages = len({at for at, _ in found.told})
    days = max((found.until - found.since).total_seconds() / 86_400, 1 / 24)
    period = f"{minute(found.since)} to {minute(found.until)} UTC, {found.looks:,} looks, one an hour"
    say(f"{messages:,} messages on each channel, {messages / days:.1f} a day; {period}")
    if found.not_replayed:
        say(f"not tried, as the lake keeps nothing of their past: {', '.join(found.not_replayed)}")


def _kinds(found: Replay) -> tuple[list[str], list[str], list[str]]:
    """The rules that fired, that were told again, and that were resolved, as often as they were."""
    alerts = [(change.alert, change.repeated) for _, change in found.told]
    return (
        [alert.rule for alert, repeated in alerts if alert.active and not repeated],
        [alert.rule for alert, repeated in alerts if repeated],
        [alert.rule for alert, _ in alerts if not alert.active],
    )


def _replay(found: Replay) -> dict[str, Any]:
    told = [
        {
            "at": at,
            "repeated": change.repeated,
            "fingerprint": change.alert.fingerprint,
            **change.alert._asdict(),
        }
        for at, change in found.told
    ]
    return {**found._asdict(), "told": told}
