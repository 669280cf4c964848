"""The outcome of a submitted batch, as tables and as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.table import Table

from shopnow import text_format
from shopnow.submission.producer import Sent
from shopnow.submission.validation import Rejected

MAX_TABLE_ROWS = 100
"""Maximum number of rows shown in a table; the JSON has all."""


class Report(NamedTuple):
    """Outcome of a batch; `withheld` counts valid events not sent because others were rejected."""

    sent: Sequence[Sent]
    rejected: Sequence[Rejected]
    withheld: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON.

        The keys are `sent` (`number`, `service`, `event_type`, `topic`, `partition`, `offset`, `event_id`,
        `held_back`),
        `rejected` (`number`, `event_type`, `field`, `problem`, control characters escaped) and `withheld`.
        """
        return {
            # A service has the name of its topic.
            "sent": [
                {"number": event.number, "service": event.topic, **event._asdict()} for event in self.sent
            ],
            # Airflow's database does not store all characters that a sender may have put into these.
            "rejected": [
                {
                    name: text_format.printable(value) if isinstance(value, str) else value
                    for name, value in event._asdict().items()
                }
                for event in self.rejected
            ],
            "withheld": self.withheld,
        }

    def tables(self) -> list[Table]:
        """Return tables of the sent events and of the rejected events."""
        tables = []
        if self.sent:
            columns = ("#", "service", "event", "topic", "partition", "offset", "event id")
            rows = [(event.number, event.topic, *event[1:-1]) for event in self.sent[:MAX_TABLE_ROWS]]
            tables.append(text_format.build_table(_title("Sent", self.sent), columns, rows))
        if self.rejected:
            rejected = [
                (event.number, event.event_type or "", event.field or "", event.problem)
                for event in self.rejected[:MAX_TABLE_ROWS]
            ]
            tables.append(
                text_format.build_table(
                    _title("Rejected", self.rejected), ("#", "event", "field", "problem"), rejected
                )
            )
        return tables

    def summary(self) -> str:
        """Return the outcome in one line."""
        if not self.sent:
            total = len(self.rejected) + self.withheld
            return f"no events sent: {len(self.rejected):,} of {total:,} rejected"
        services = ", ".join(
            f"{count:,} to {service}"
            for service, count in Counter(event.topic for event in self.sent).items()
        )
        summary = f"{len(self.sent):,} events sent ({services})"
        if self.rejected:
            summary += f", {len(self.rejected):,} rejected"
        if held_back := sorted({event.topic for event in self.sent if event.held_back}):
            summary += (
                f"; they are in Kafka, do not send them again: readers see those of {', '.join(held_back)} "
                "once another producer has ended its open transaction, see ./shopnow topics"
            )
        return summary


def _title(name: str, rows: Sequence[Any]) -> str:
    return f"{name} (the first {MAX_TABLE_ROWS} of {len(rows):,})" if len(rows) > MAX_TABLE_ROWS else name
