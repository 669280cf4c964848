"""The table `audits`: what every audit of the lake found."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa
from deltalake import write_deltalake

from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.schemas import TIMESTAMP

TABLE = "audits"
SCHEMA = pa.schema(
    [
        pa.field("audited_at", TIMESTAMP, nullable=False, metadata={"comment": "when the audit was done"}),
        pa.field("audited_by", pa.string(), metadata={"comment": "the run that did it"}),
        pa.field("check", pa.string(), nullable=False),
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("detail", pa.string(), metadata={"comment": "what was compared, or the first difference"}),
    ]
)
"""One row for each check of each audit."""

HOLDS = "holds"


class Check(NamedTuple):
    """A check, whether it holds, and what was compared, or the first difference."""

    check: str
    ok: bool
    detail: str


class Audit(NamedTuple):
    """An audit's outcome."""

    at: datetime
    checks: list[Check]

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]

    @property
    def verdict(self) -> str:
        """`HOLDS`, or what does not."""
        return ", ".join(check.check for check in self.broken) or HOLDS


def record(lake: str, checks: Iterable[Check], by: str) -> Audit:
    """Put on record what an audit has found just now."""
    audit = Audit(datetime.now(UTC), list(checks))
    rows = [{"audited_at": audit.at, "audited_by": by, **check._asdict()} for check in audit.checks]
    write_deltalake(Table(lake, TABLE).ensure(SCHEMA), pa.Table.from_pylist(rows, SCHEMA), mode="append")
    return audit


def latest(lake: str) -> Audit | None:
    """The newest audit on record; None before the first."""
    if not Table(lake, TABLE).exists():
        return None
    rows = tables.read(Table(lake, TABLE).open()).to_pylist()
    at = max((row["audited_at"] for row in rows), default=None)
    if at is None:
        return None
    return Audit(
        at, [Check(row["check"], row["ok"], row["detail"]) for row in rows if row["audited_at"] == at]
    )
