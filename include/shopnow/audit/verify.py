"""Prove that ledger = topics = raw = events = KPIs, or name the first difference.

Each pair is compared at a consistent cut (ledger offsets, table versions), so the proof holds while traffic
flows: tables are pinned from the last to the first, and Kafka is read only up to the offsets that they cover.
"""

from collections.abc import Callable

from shopnow.audit import events_kpis, ledger_events, ledger_topics, raw_events, raw_receipts, topics_raw
from shopnow.audit.audit_log import Check
from shopnow.audit.context import Difference, Evidence, Report, gather
from shopnow.broker.client import Conf
from shopnow.lake.delta import errors

CHECKS: dict[str, Callable[[Evidence], str]] = {
    "ledger = topics": ledger_topics.check,
    "topics = raw": topics_raw.check,
    "raw = receipts": raw_receipts.check,
    "raw = events + quarantine + duplicates": raw_events.check,
    "ledger = events": ledger_events.check,
    "events = KPIs": events_kpis.check,
}


def verify(conf: Conf, lake: str, report: Report = lambda subject, what: None) -> list[Check]:
    """Run all checks; each result tells what was compared, or the first difference.

    Raises:
        UserError: Kafka or the lake does not answer.
    """
    with errors.as_user_errors(lake):
        evidence = gather(conf, lake, report)
        return [_run(name, check, evidence) for name, check in CHECKS.items()]


def _run(name: str, check: Callable[[Evidence], str], evidence: Evidence) -> Check:
    evidence.report("verify", name)
    try:
        return Check(name, True, check(evidence))
    except Difference as difference:
        return Check(name, False, str(difference))
