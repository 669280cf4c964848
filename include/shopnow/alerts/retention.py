"""Retention of the alert log: delete old rows that no decision and no message rests on any more.

Every evaluation reads the whole log, so it must not grow with time. Kept, however old, are the rows of each
alert's latest firing, the newest silence of each target, messages that are not finished, the first messages
of the kept firings, which later ones answer or update, and restock proposals that hold or are open.
"""

from collections.abc import Sequence
from datetime import datetime

from shopnow.alerts import alert_log, outbox
from shopnow.alerts.alert_log import Row
from shopnow.alerts.proposals import read_proposals
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table


def purge(lake: str, before: datetime, dry_run: bool = False) -> int:
    """Delete the rows from before a time that are not needed; returns their number. Idempotent.

    Raises:
        deltalake.exceptions.DeltaError, OSError: the lake failed, or others kept writing; nothing is deleted.
    """
    if not Table(lake, alert_log.TABLE).exists():
        return 0

    def attempt() -> int:
        table = alert_log.open_table(lake)
        rows = alert_log.read_rows(table, "alert", "silence", "message", "proposal")
        kept = needed(rows, before)
        if len(kept) < len(rows) and not dry_run:
            # As a decision, so that of this and a concurrent one only the first is committed.
            alert_log.commit_decision(table, kept, mode="overwrite")
        return len(rows) - len(kept)

    return retry_on_conflict(attempt)


def needed(rows: Sequence[Row], before: datetime) -> list[Row]:
    """Return, of rows in order, those that are not old or still needed, in the same order."""
    alerts = [row for row in rows if row["kind"] == "alert"]
    firings = {row["fingerprint"]: row["firing"] for row in alerts}
    silences = {row["target"]: row["sequence"] for row in rows if row["kind"] == "silence"}
    pending = {message.dedup_key for message in outbox.pending_messages(rows)}
    threads = {
        row["thread"]
        for row in alerts
        if row["at"] >= before or row["firing"] == firings[row["fingerprint"]] or row["dedup_key"] in pending
    }
    recent = {row["dedup_key"] for row in rows if row["at"] >= before}
    proposed = {proposal.dedup_key for proposal in read_proposals(rows)}
    keys = (pending | threads | recent | proposed) - {None}

    def is_needed(row: Row) -> bool:
        if row["at"] >= before or row["dedup_key"] in keys:
            return True
        if row["kind"] == "alert":
            return row["firing"] == firings[row["fingerprint"]]
        return row["kind"] == "silence" and row["sequence"] == silences[row["target"]]

    return [row for row in rows if is_needed(row)]
