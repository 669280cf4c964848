"""What became of a batch of events, for people and for programs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.table import Table

from shopnow import text_format
from shopnow.submission.producer import Sent
from shopnow.submission.validation import Rejected

SHOWN = 100
"""So many rows of a table people see; programs get all."""


class Report(NamedTuple):
    """`withheld` valid events were not sent, because of those that were rejected."""

    sent: Sequence[Sent]
    rejected: Sequence[Rejected]
    withheld: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON: `{"sent": [{"number", "service", "event_type", "topic", "partition", "offset", "event_id"}],
        "rejected": [{"number", "event_type", "field", "problem"}], "withheld"}`.
        """
        return {
            # A service has the topic of its name.
            "sent": [{"number": each.number, "service": each.topic, **each._asdict()} for each in self.sent],
            "rejected": [each._asdict() for each in self.rejected],
            "withheld": self.withheld,
        }

    def tables(self) -> list[Table]:
        """What was sent where, and what was rejected and why."""
        made = []
        if self.sent:
            columns = ("#", "service", "event", "topic", "partition", "offset", "event id")
            rows = [(each.number, each.topic, *each[1:]) for each in self.sent[:SHOWN]]
            made.append(text_format.table(_title("Sent", self.sent), columns, rows))
        if self.rejected:
            rejected = [
                (each.number, each.event_type or "", each.field or "", each.problem)
                for each in self.rejected[:SHOWN]
            ]
            made.append(
                text_format.table(
                    _title("Rejected", self.rejected), ("#", "event", "field", "problem"), rejected
                )
            )
        return made

    def summary(self) -> str:
        """In one line."""
        if not self.sent:
            return f"nothing was sent: {len(self.rejected):,} of {len(self.rejected) + self.withheld:,} events rejected"
        services = ", ".join(
            f"{count:,} to {service}" for service, count in Counter(each.topic for each in self.sent).items()
        )
        return f"{len(self.sent):,} events sent ({services})" + (
            f", {len(self.rejected):,} rejected" if self.rejected else ""
        )


def _title(what: str, rows: Sequence[Any]) -> str:
    return f"{what} (the first {SHOWN} of {len(rows):,})" if len(rows) > SHOWN else what
