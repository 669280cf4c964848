"""What receipts and amendments say about the rows of a raw table, and what its intact files hold."""

from collections import defaultdict
from datetime import date
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable

from shopnow.lake.delta import commit_metadata, file_swap, integrity
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import AMENDMENTS, RecordId
from shopnow.lake.ingest import receipts

Key = tuple[str, int]
"""Topic id and partition."""


class Accounts(NamedTuple):
    """What receipts and amendments of a table say about its rows."""

    expected: dict[Key, Digest]
    landed: dict[Key, list[tuple[int, int, date]]]
    """Ranges of offsets and the date they were landed, in order."""
    erased: dict[RecordId, Digest]
    """Digests of erased records."""
    expired_below: dict[Key, int]


def read_accounts(raw: Table, version: int) -> Accounts:
    accounts = Accounts({}, defaultdict(list), {}, {})
    for row in receipts.read(raw, version).to_pylist():
        key = row["topic_id"], row["partition"]
        digest = Digest.parse(row["rows"], row["digest"])
        accounts.expected[key] = accounts.expected.get(key, EMPTY) + digest
        accounts.landed[key].append((row["start_offset"], row["end_offset"], row["committed_at"].date()))
    for row in commit_metadata.read(raw, AMENDMENTS, version).to_pylist():
        key = row["topic_id"], row["partition"]
        accounts.expected[key] += Digest.parse(row["rows_added"], row["digest_added"]) - Digest.parse(
            row["rows_removed"], row["digest_removed"]
        )
        if row["expired_below"] is not None:
            accounts.expired_below[key] = max(accounts.expired_below.get(key, 0), row["expired_below"])
        for entry in row["erased"] or ():
            accounts.erased[RecordId(*key, entry["offset"])] = Digest.parse(1, entry["digest_added"])
    return accounts


def read_intact_rows(
    snapshot: DeltaTable, damaged: set[str]
) -> tuple[dict[Key, set[int]], dict[Key, Digest]]:
    """Return the offsets and the digests of the rows in the files that are not damaged."""
    present: dict[Key, set[int]] = defaultdict(set)
    digests: dict[Key, Digest] = {}
    for file in file_swap.data_files(snapshot):
        if file.path in damaged:
            continue
        for batch in integrity.batches(file_swap.read_bytes(snapshot, file.path)):
            rows = pa.Table.from_batches([batch])
            for key, digest in amendments.digests(rows).items():
                digests[key] = digests.get(key, EMPTY) + digest
            for record_id in amendments.record_ids(rows):
                present[record_id[:2]].add(record_id.offset)
    return present, digests
