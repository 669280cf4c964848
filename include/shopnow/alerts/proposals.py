"""Restock proposals as data: which alerts ask for a restock, and what has become of each proposal.

The alert itself is the proposal: the first one that is announced for a product, until all alerts of the
product are resolved. It waits until it is opened: then a run of `approve_restock` asks a person. At most
`MAX_OPEN` are open at a time, as Airflow's scheduler looks at every open run in each of its loops. Rows of
`kind` "proposal" record that one was opened, and closed with a reason; `shopnow.restock.backlog` writes them.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any, NamedTuple

from shopnow.alerts.alert_log import Row
from shopnow.alerts.model import State

ANSWERED = "answered"
"""Reason of a proposal that was closed because a person has answered it."""
MAX_OPEN = 3
"""Maximum number of proposals that are open at a time."""


class ProposalState(StrEnum):
    WAITING = "waiting"
    """No person has been asked yet."""
    OPEN = "open"
    """A run of `approve_restock` asks a person."""
    CLOSED = "closed"
    """The run has ended: it was answered, or the proposal did not hold any more."""


class Proposal(NamedTuple):
    """A restock that an alert proposes; `fingerprint` and `dedup_key` of its first message identify it."""

    fingerprint: str
    dedup_key: str
    rule: str
    severity: str
    product_id: str
    product_name: str
    since: datetime
    holds: bool = True
    """False once all alerts of the product are resolved."""
    state: ProposalState = ProposalState.WAITING

    def row(self, state: ProposalState, sequence: int, at: datetime, reason: str | None = None) -> Row:
        """Return the row of the alert log that records the proposal's new state."""
        return {
            "kind": "proposal",
            "state": state,
            "sequence": sequence,
            "at": at,
            "fingerprint": self.fingerprint,
            "dedup_key": self.dedup_key,
            "rule": self.rule,
            "about": "product",
            "subject": self.product_id,
            "subject_name": self.product_name,
            "reason": reason,
        }


def read_proposals(rows: Iterable[Row]) -> list[Proposal]:
    """Return the proposals that hold or are open, oldest first, from rows of alerts and proposals in order.

    A product that goes from low to sold out gives only one proposal, because its answer covers the whole
    restock.
    """
    rows = list(rows)
    states = {
        (row["fingerprint"], row["dedup_key"]): ProposalState(row["state"])
        for row in rows
        if row["kind"] == "proposal"
    }
    proposals: list[Proposal] = []
    current: dict[str, Proposal] = {}
    """The proposal that holds, by product id."""
    active: dict[str, set[str]] = {}
    """Fingerprints of the active alerts, by product id."""
    product_rows = (row for row in rows if row["kind"] == "alert" and row["about"] == "product")
    for _, decision in groupby(product_rows, key=lambda row: row["sequence"]):
        alerts = list(decision)
        for row in alerts:
            is_first_message = row["dedup_key"] is not None and row["thread"] == row["dedup_key"]
            if is_first_message and row["state"] == State.FIRING and not active.get(row["subject"]):
                current[row["subject"]] = _proposal(row)
        for row in alerts:
            fingerprints = active.setdefault(row["subject"], set())
            if row["state"] != State.RESOLVED:
                fingerprints.add(row["fingerprint"])
            else:
                fingerprints.discard(row["fingerprint"])
                if not fingerprints and (ended := current.pop(row["subject"], None)):
                    proposals.append(ended._replace(holds=False))
    all_proposals = (
        proposal._replace(state=states.get((proposal.fingerprint, proposal.dedup_key), ProposalState.WAITING))
        for proposal in (*proposals, *current.values())
    )
    return sorted(
        (proposal for proposal in all_proposals if proposal.holds or proposal.state == ProposalState.OPEN),
        key=lambda proposal: (proposal.since, proposal.product_id),
    )


def count_waiting(proposals: Iterable[Proposal]) -> int:
    """Return how many proposals wait while `MAX_OPEN` others are open, or about to be."""
    unanswered = sum(proposal.state != ProposalState.CLOSED for proposal in proposals)
    return max(unanswered - MAX_OPEN, 0)


def _proposal(row: dict[str, Any]) -> Proposal:
    return Proposal(
        fingerprint=row["fingerprint"],
        dedup_key=row["dedup_key"],
        rule=row["rule"],
        severity=row["severity"],
        product_id=row["subject"],
        product_name=row["subject_name"],
        since=row["since"],
    )
