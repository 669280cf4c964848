"""Repair the log of a table: damaged checkpoints and commits.

A damaged checkpoint is replaced if the commits suffice. A damaged commit is replaced by one that changes no
row, under the same version, as other tables refer to versions. What the commit did is restored by others: a
commit of landing from its receipt, by `repair_raw`; a derived or collected table is emptied by a further
commit, which comes first, so that nobody sees the table with some of its rows.
"""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from deltalake import DeltaTable

from shopnow.broker import reader, topic_state
from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.failpoints import failpoint
from shopnow.lake.delta import log, tables
from shopnow.lake.delta.checksum import EMPTY, Digest, digest
from shopnow.lake.delta.hdfs import Store
from shopnow.lake.delta.log_integrity import LAST_CHECKPOINT, LOG, LogFiles, State, checkpoint_name
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance.erasure import COMPUTE_APPLICATION
from shopnow.lake.ingest import offsets, receipts
from shopnow.lake.ingest.receipts import RECEIPTS, PartitionReceipt, Receipt
from shopnow.lake.lineage import lineage

TableSchema = tuple[pa.Schema, Sequence[str]]
"""Columns and partition columns of a table."""


def repair_checkpoints(table: Table, files: LogFiles) -> bool:
    """Remove damaged checkpoints and write a new one; False if the commits do not suffice for that."""
    if not all(version in files.commits for version in range(files.checkpoint + 1, files.newest + 1)):
        return False
    store = Store(table.lake)
    store.remove(f"{table.name}/{LOG}/{LAST_CHECKPOINT}")
    for version in files.damaged_checkpoints:
        store.remove(f"{table.name}/{LOG}/{checkpoint_name(version)}")
    failpoint("repair:checkpoint")
    table.open().create_checkpoint()
    hint = f"{table.name}/{LOG}/{LAST_CHECKPOINT}"
    if not store.exists(hint):
        # The library writes nothing if the newest version has a checkpoint.
        state = files.checkpoints[files.checkpoint]
        actions = len(state.files) + len(state.transactions) + 2
        store.put(hint, json.dumps({"version": files.checkpoint, "size": actions}).encode())
    return True


def reset_derived(table: Table, files: LogFiles, schema: TableSchema) -> None:
    """Replace the damaged commits of a table whose rows can be computed again, and empty it if necessary."""
    if any(version > files.checkpoint for version in files.damaged_commits):
        state = _replay(files)
        applications = dict.fromkeys(state.transactions, -1) | {COMPUTE_APPLICATION: -1}
        actions: list[dict[str, Any]] = [
            {"commitInfo": {**_commit_info(files, files.newest), "userMetadata": lineage.RESET}},
            *({"txn": {"appId": name, "version": version}} for name, version in sorted(applications.items())),
            *(
                {"remove": {"path": path, "dataChange": True, "deletionTimestamp": _now()}}
                for path in sorted(state.files)
            ),
        ]
        _put(table, files.newest + 1, actions, replace=False)
        failpoint("repair:reset")
    for version in files.damaged_commits:
        _put(table, version, _stub(files, version, schema), replace=True)
    log.evict(table.uri)


class LostCommit(NamedTuple):
    """A damaged commit of a raw table, and the records it landed as far as they are known."""

    version: int
    topic_id: str
    receipt: Receipt


def repair_raw_commits(conf: Conf, raw: Table, files: LogFiles, schema: TableSchema) -> None:
    """Replace the damaged commits of a raw table by commits with the same receipts, but without rows.

    The receipts are those in the table `receipts`, or else made from the records that Kafka has between the
    receipts before and after. Without a later receipt nothing is recorded, and landing lands them again.

    Raises:
        UserError: a receipt was not collected yet and Kafka no longer has all of its records.
    """
    for version in files.damaged_commits:
        lost = _collected_receipt(raw, version) or _receipt_from_kafka(conf, raw, files, version)
        actions = _stub(files, version, schema)
        if lost is not None:
            actions[0]["commitInfo"][RECEIPTS.key] = receipts.dumps(
                raw.name.removeprefix("raw/"), lost.topic_id, lost.receipt
            )
            actions += [
                {"txn": {"appId": offsets.app_id(lost.topic_id, partition), "version": part.end}}
                for partition, part in sorted(lost.receipt.items())
            ]
        failpoint("repair:log")
        _put(raw, version, actions, replace=True)
    log.evict(raw.uri)


def _collected_receipt(raw: Table, version: int) -> LostCommit | None:
    snapshot = Table(raw.lake, RECEIPTS.table).open_if_exists()
    if snapshot is None:
        return None
    rows = tables.read(snapshot, None, f"source = '{raw.name}' AND version = {version}").to_pylist()
    if not rows:
        return None
    receipt = {
        row["partition"]: PartitionReceipt(
            row["start_offset"],
            row["end_offset"],
            Digest.parse(row["rows"], row["digest"]),
            row["quarantined"],
            row["first_event_time"],
            row["last_event_time"],
        )
        for row in rows
    }
    return LostCommit(version, rows[0]["topic_id"], receipt)


def _receipt_from_kafka(conf: Conf, raw: Table, files: LogFiles, version: int) -> LostCommit | None:
    """Make the receipt of the gap between the receipts before and after a commit; None if there is none."""
    topic = raw.name.removeprefix("raw/")
    ends: dict[tuple[str, int], int] = {}
    starts: dict[tuple[str, int], int] = {}
    for number, actions in sorted(files.commits.items()):
        if text := log.info(actions).get(RECEIPTS.key):
            document = msgspec.json.decode(text)
            for part in document["partitions"]:
                key = document["topic_id"], part["partition"]
                if number < version:
                    ends[key] = part["end_offset"]
                else:
                    starts.setdefault(key, part["start_offset"])
    gaps = {key: (ends.get(key, 0), start) for key, start in starts.items() if ends.get(key, 0) < start}
    if not gaps:
        return None
    state = topic_state.describe(conf, [topic])[topic]
    [topic_id] = {key[0] for key in gaps}
    ranges = {key[1]: gap for key, gap in gaps.items()}
    for partition, (start, _) in ranges.items():
        if topic_id != state.topic_id or start < state.partitions[partition][0]:
            raise UserError(
                f"{raw.name}: the commit of version {version} is damaged, its receipt was not collected, and "
                f"Kafka no longer has all records of partition {partition} from {start}: beyond repair. "
                "Restore the table from a backup"
            )
    parts = {partition: PartitionReceipt(start, start) for partition, (start, _) in ranges.items()}
    for chunk in reader.read(conf, topic, ranges):
        part = parts[chunk.partition]
        landed = digest(chunk.partition, chunk.offsets, chunk.keys, chunk.values)
        parts[chunk.partition] = part + PartitionReceipt(part.end, chunk.offsets[-1] + 1, landed)
    receipt = {
        partition: part + PartitionReceipt(part.end, ranges[partition][1], EMPTY)
        for partition, part in parts.items()
    }
    return LostCommit(version, topic_id, receipt)


def _replay(files: LogFiles) -> State:
    """Return the files and app transactions after the commits that can be read."""
    base = files.checkpoints.get(files.checkpoint, State())
    state = State(set(base.files), dict(base.transactions))
    for version in sorted(files.commits):
        if version > files.checkpoint:
            state.apply(files.commits[version])
    return state


def _stub(files: LogFiles, version: int, schema: TableSchema) -> list[dict[str, Any]]:
    """Return a commit that changes no row; the first one creates the table."""
    created = _creation(schema) if version == 0 else []
    return [{"commitInfo": _commit_info(files, version)}, *created]


def _creation(schema: TableSchema) -> list[dict[str, Any]]:
    """Return the actions that create a table with these columns."""
    with tempfile.TemporaryDirectory() as folder:
        DeltaTable.create(
            folder,
            schema[0],
            partition_by=list(schema[1]) or None,
            configuration={**tables.PLAIN, **tables.CHECKPOINTS},
        )
        [(_, actions)] = log.commits(f"file://{folder}", 0)
        log.evict(f"file://{folder}")
    return [action for action in actions if "metaData" in action or "protocol" in action]


def _commit_info(files: LogFiles, version: int) -> dict[str, Any]:
    """Return the info of a repaired commit, with the time of the commit before it, or after it."""
    times: Mapping[int, int] = {
        number: log.info(actions).get("timestamp", 0) for number, actions in files.commits.items()
    }
    before = [times[number] for number in sorted(times) if number <= version]
    after = [times[number] for number in sorted(times) if number > version]
    timestamp = before[-1] if before else after[0] if after else _now()
    return {"timestamp": timestamp, "operation": "REPAIR", "operationParameters": {}}


def _put(table: Table, version: int, actions: Sequence[dict[str, Any]], *, replace: bool) -> None:
    """Write a commit: the file appears as a whole, in place of a damaged one if `replace`."""
    path = f"{table.name}/{LOG}/{log.file_name(version)}"
    data = "\n".join(json.dumps(action, separators=(",", ":")) for action in actions).encode()
    store, temporary = Store(table.lake), f"{table.name}/{LOG}/.{version}.repair"
    store.remove(temporary)
    store.put(temporary, data)
    store.move(temporary, path, replace=replace)


def _now() -> int:
    return int(time.time() * 1000)
