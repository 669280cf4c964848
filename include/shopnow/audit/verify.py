"""Prove that ledger = topics = raw = events = KPIs, or name the first difference.

Each pair is compared at a consistent cut (ledger offsets, table versions), so the proof holds while traffic
flows: tables are pinned from the last to the first, and Kafka is read only up to the offsets that they cover.
A damaged file fails the checks that need it; the others go on.
"""

from collections.abc import Callable
from typing import NamedTuple

from shopnow.audit import (
    events_kpis,
    files,
    ledger_events,
    ledger_topics,
    raw_events,
    raw_receipts,
    topics_raw,
)
from shopnow.audit.audit_log import Check
from shopnow.audit.context import Difference, Evidence, Report, gather, require_services
from shopnow.broker.client import Conf
from shopnow.lake.delta import errors
from shopnow.lake.delta.errors import one_line


class Comparison(NamedTuple):
    """A check and the prefixes of the tables that it compares."""

    run: Callable[[Evidence], str]
    tables: tuple[str, ...] = ()


CHECKS = {
    "files = log": Comparison(files.check),
    "ledger = topics": Comparison(ledger_topics.check),
    "topics = raw": Comparison(topics_raw.check, ("raw/",)),
    "raw = receipts": Comparison(raw_receipts.check, ("raw/", "losses")),
    "raw = events + quarantine + duplicates": Comparison(raw_events.check, ("raw/", "events/")),
    "ledger = events": Comparison(ledger_events.check, ("events/", "losses")),
    "events = KPIs": Comparison(events_kpis.check, ("events/", "kpi/")),
}


def verify(conf: Conf, lake: str, report: Report = lambda subject, what: None) -> list[Check]:
    """Run all checks; each result tells what was compared, or the first difference.

    Raises:
        UserError: Kafka or the lake does not answer.
    """
    with errors.as_user_errors(lake):
        evidence = gather(conf, lake, report)
        return [_run(name, check, evidence) for name, check in CHECKS.items()]


def _run(name: str, check: Comparison, evidence: Evidence) -> Check:
    evidence.report("verify", name)
    try:
        detail = check.run(evidence)
    except Difference as difference:
        return Check(name, False, str(difference))
    except (KeyboardInterrupt, SystemExit):
        raise
    # Damaged bytes fail in any way, and the Rust libraries panic with a BaseException of their own.
    except BaseException as error:
        require_services(evidence.conf, evidence.lake)
        return Check(name, False, f"could not be completed: {one_line(error)}. See the check of the files")
    missing = [table for table in evidence.unreadable if table.startswith(check.tables)]
    if missing:
        return Check(name, False, f"not compared, as it cannot be opened: {', '.join(missing)}; {detail}")
    return Check(name, True, detail)
