"""Alerts: what fires, and when a message counts as sent."""

from datetime import UTC, datetime
from typing import Any


def invalid_records_not_alerted() -> None:
    """No alert fires, whatever the share of invalid records."""
    from shopnow.alerts import invalid_records

    invalid_records.MIN_INVALID = 1 << 60


def rows_of_the_future_observed() -> None:
    """The newest hour of a clock that is ahead hides the failures of the current one."""
    from shopnow.alerts import collect

    collect.until = lambda now, rows: list(rows)


def messages_marked_sent_too_early() -> None:
    """The outbox marks a message as sent when it is claimed, before it is sent."""
    from shopnow.alerts import alert_log, outbox

    claim = outbox.claim

    def mark(table: Any, owner: str, *rest: Any, **options: Any) -> Any:
        messages = claim(table, owner, *rest, **options)
        sent = [message.row("sent", datetime.now(UTC)) for message in messages if message.held_by == owner]
        if sent:
            alert_log.commit_decision(table, sent)
        return messages

    outbox.claim = mark
