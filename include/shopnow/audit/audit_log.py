"""The table `audits`: the result of every audit of the lake."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.schemas import TIMESTAMP

TABLE = "audits"
SCHEMA = pa.schema(
    [
        pa.field("audited_at", TIMESTAMP, nullable=False, metadata={"comment": "when the audit ran"}),
        pa.field("audited_by", pa.string(), metadata={"comment": "id of the DAG run"}),
        pa.field("check", pa.string(), nullable=False),
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("detail", pa.string(), metadata={"comment": "what was compared, or the first difference"}),
    ]
)
"""One row per check and audit."""

HOLDS = "holds"


class Check(NamedTuple):
    """Result of a check; `detail` is what was compared, or the first difference."""

    check: str
    ok: bool
    detail: str


class Audit(NamedTuple):
    """Result of an audit."""

    at: datetime
    checks: list[Check]

    @property
    def broken(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]

    @property
    def verdict(self) -> str:
        """`HOLDS`, or the names of the broken checks."""
        return ", ".join(check.check for check in self.broken) or HOLDS


def record(lake: str, checks: Iterable[Check], by: str) -> Audit:
    """Append the results of an audit that just ran to the table."""
    audit = Audit(datetime.now(UTC), list(checks))
    rows = [{"audited_at": audit.at, "audited_by": by, **check._asdict()} for check in audit.checks]
    tables.write(Table(lake, TABLE).ensure(SCHEMA), pa.Table.from_pylist(rows, SCHEMA))
    return audit


def latest(lake: str) -> Audit | None:
    """Return the newest audit; None before the first."""
    snapshot = Table(lake, TABLE).open_if_exists()
    if snapshot is None:
        return None
    rows = tables.read(snapshot)
    at = pc.max(rows["audited_at"]).as_py()
    if at is None:
        return None
    # Only its rows become Python objects: a year has more than a hundred thousand.
    newest = rows.filter(pc.equal(rows["audited_at"], at)).to_pylist()
    return Audit(at, [Check(row["check"], row["ok"], row["detail"]) for row in newest])
