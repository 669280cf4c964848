"""The table `audits`: what every audit of the lake found."""

import logging
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa
from deltalake import write_deltalake

from shopnow.audit.verify import Check, verify
from shopnow.broker.client import Conf
from shopnow.lake import failures, tables
from shopnow.schemas import TIMESTAMP

TABLE = "audits"
SCHEMA = pa.schema(
    [
        pa.field("audited_at", TIMESTAMP, nullable=False, metadata={"comment": "when the audit began"}),
        pa.field("audited_by", pa.string(), metadata={"comment": "the run that did it"}),
        pa.field("check", pa.string(), nullable=False),
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("detail", pa.string(), metadata={"comment": "what was compared, or the first difference"}),
    ]
)
"""One row for each check of each audit."""

_log = logging.getLogger(__name__)


class Audit(NamedTuple):
    """An audit's outcome."""

    at: datetime
    checks: list[Check]

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]


def audit(conf: Conf, lake: str, by: str) -> Audit:
    """Verify the lake and put on record what was found.

    Raises:
        UserError: Kafka or the lake does not answer.
    """
    at = datetime.now(UTC)
    with failures.as_user_errors(lake):
        found = Audit(at, verify(conf, lake, lambda subject, what: _log.info("%s: %s", subject, what)))
        rows = [{"audited_at": at, "audited_by": by, **check._asdict()} for check in found.checks]
        write_deltalake(tables.ensure(lake, TABLE, SCHEMA), pa.Table.from_pylist(rows, SCHEMA), mode="append")
    return found


def latest(lake: str) -> Audit | None:
    """The newest audit on record; None before the first."""
    if not tables.exists(lake, TABLE):
        return None
    rows = tables.read(tables.open_table(lake, TABLE)).to_pylist()
    at = max((row["audited_at"] for row in rows), default=None)
    if at is None:
        return None
    return Audit(at, [Check(row["check"], row["ok"], row["detail"]) for row in rows if row["audited_at"] == at])
