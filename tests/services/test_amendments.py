"""Amendments on a real HDFS: one commit each, applied once, also with concurrent writers."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from factories import raw_tables as sample
from shopnow.audit import digests
from shopnow.events import TOPICS
from shopnow.lake.delta import rewrite, tables
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.rewrite import ChangedRows
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import Kind
from shopnow.lake.ingest import receipts
from shopnow.schemas import RAW

ORDERS = TOPICS["orders"]


def shout(rows: pa.Table) -> pa.Table:
    """Change every `fix me` to upper case and clear its problem."""
    is_wrong = pc.fill_null(pc.equal(rows["value"], b"fix me"), False)
    columns = {"value": pa.scalar(b"FIX ME"), "problem": pa.scalar(None, pa.string())}
    for name, value in columns.items():
        rows = rows.set_column(
            rows.schema.get_field_index(name),
            rows.schema.field(name),
            pc.if_else(is_wrong, value, rows[name]),
        )
    return rows


def amend(lake: str, kind: Kind = Kind.ERASURE) -> ChangedRows:
    return amendments.amend(Table(lake, "raw/orders"), kind, shout, reason="test", by="me")


def raw(lake: str) -> list[dict]:
    snapshot = Table(lake, "raw/orders").open()
    protocol = snapshot.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
    assert protocol.writer_features is None
    return tables.read(snapshot).sort_by("offset").to_pylist()


def read_amendments(lake: str) -> list[amendments.Amendment]:
    table = Table(lake, "raw/orders")
    commits = table.commits(table.version())
    return [amendment for _, actions in commits if (amendment := amendments.read(actions))]


def assert_accounted_for(lake: str) -> None:
    """Σ receipts − Σ removed + Σ added = the digest of the rows."""
    total = EMPTY
    for row in receipts.read(Table(lake, "raw/orders")).to_pylist():
        total += Digest.parse(row["rows"], row["digest"])
    for amendment in read_amendments(lake):
        for change in amendment.partitions:
            total = total - change.removed + change.added
    assert digests.raw_digests(Table(lake, "raw/orders").open(), "orders-id")[0] == total


def test_changes_only_the_matching_rows(lake):
    sample.land_records(lake, ORDERS, [b"", b"fix me", None])
    sample.land_records(lake, ORDERS, [b"other"])
    before = raw(lake)
    changed = amend(lake)
    assert changed.before["value"].to_pylist() == [b"fix me"]
    assert raw(lake) == [before[0], before[1] | {"value": b"FIX ME", "problem": None}, *before[2:]]
    assert_accounted_for(lake)
    version = Table(lake, "raw/orders").version()
    assert amend(lake).after.num_rows == 0
    assert Table(lake, "raw/orders").version() == version


def test_amends_a_table_created_before_the_correction_column(lake):
    old = pa.schema([field for field in RAW if field.name != "correction"])
    table = Table(lake, "raw/orders").ensure(old, ["ingest_date"])
    sample.land_records(f"{lake}/now", ORDERS, [b"fix me", b"other"])
    write_deltalake(
        table,
        tables.read(Table(f"{lake}/now", "raw/orders").open()).select(old.names).cast(old),
        mode="append",
    )
    amend(lake)
    assert [(row["value"], row["correction"]) for row in raw(lake)] == [(b"FIX ME", None), (b"other", None)]


@pytest.mark.parametrize("concurrent", ["amend", "land", "compact"])
def test_concurrent_commits_neither_repeat_the_change_nor_lose_rows(lake, concurrent, monkeypatch):
    """The concurrent commit happens between the read and the commit of the amendment."""
    for _ in range(3):
        sample.land_records(lake, ORDERS, [b"fix me", b"other"])
    commit_concurrently = {
        "amend": lambda: amend(lake),
        "land": lambda: sample.land_records(lake, ORDERS, [b"other"]),
        "compact": lambda: Table(lake, "raw/orders").open().optimize.compact(max_concurrent_tasks=1),
    }[concurrent]

    def failpoint(point: str) -> None:
        if point == "amend:commit":
            monkeypatch.undo()
            commit_concurrently()

    monkeypatch.setattr(rewrite, "failpoint", failpoint)
    assert amend(lake).after.num_rows == (0 if concurrent == "amend" else 3)
    assert [row["offset"] for row in raw(lake)] == list(range(7 if concurrent == "land" else 6))
    assert [row["value"] for row in raw(lake)].count(b"FIX ME") == 3
    assert sum(len(amendment.erased) for amendment in read_amendments(lake)) == 3
    assert_accounted_for(lake)
