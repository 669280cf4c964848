"""Rows of raw from Kafka and from files that are damaged or replaced, to restore a damaged file."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, PyFileSystem

from shopnow.broker import reader, topic_state
from shopnow.broker.client import Conf
from shopnow.broker.reader import Chunk
from shopnow.events import Topic
from shopnow.lake.delta import file_swap, integrity
from shopnow.lake.delta.checksum import EMPTY, Digest
from shopnow.lake.delta.file_swap import DataFile
from shopnow.lake.delta.log_integrity import LOG
from shopnow.lake.governance import amendments
from shopnow.lake.governance.amendments import RecordId
from shopnow.lake.governance.redaction import NOTE
from shopnow.lake.ingest import offsets, raw_encoding
from shopnow.lake.maintenance.raw_accounts import Accounts, Key

ERASED_PROBLEM = "erased, then lost to damage of the lake"

SCHEMA = pa.schema([*raw_encoding.FILE_SCHEMA, pa.field("correction", pa.binary())])
"""Columns of a data file of raw."""


def read_from_kafka(
    conf: Conf, topic: Topic, snapshot: DeltaTable, key: Key, accounts: Accounts, present: set[int]
) -> pa.Table:
    """Read the landed records of a partition that Kafka still has and no intact file holds."""
    topic_id, partition = key
    state = topic_state.describe(conf, [topic.name])[topic.name]
    # After a truncation Kafka has other records at the offsets of the earlier topic ids.
    if topic_id != offsets.current_id(snapshot, state.topic_id) or partition not in state.partitions:
        return SCHEMA.empty_table()
    first, last = accounts.landed[key][0][0], accounts.landed[key][-1][1]
    start = max(first, state.partitions[partition][0], accounts.expired_below.get(key, 0))
    if start >= last:
        return SCHEMA.empty_table()
    return pa.concat_tables(
        [
            SCHEMA.empty_table(),
            *(
                _encode(topic, topic_id, part)
                for chunk in reader.read(conf, topic.name, {partition: (start, last)})
                if (part := _without(chunk, present)).offsets
            ),
        ]
    )


def _without(chunk: Chunk, present: set[int]) -> Chunk:
    keep = [index for index, offset in enumerate(chunk.offsets) if offset not in present]
    return Chunk(
        chunk.partition,
        [chunk.offsets[index] for index in keep],
        [chunk.timestamps[index] for index in keep],
        [chunk.keys[index] for index in keep],
        [chunk.values[index] for index in keep],
        [chunk.headers[index] for index in keep],
    )


def _encode(topic: Topic, topic_id: str, chunk: Chunk) -> pa.Table:
    rows, _ = raw_encoding.encode(topic_id, chunk, topic.decoder().decode)
    return _normalize(pa.Table.from_batches([rows]))


def _normalize(rows: pa.Table) -> pa.Table:
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in SCHEMA
    ]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def salvage(snapshot: DeltaTable, files: Sequence[DataFile]) -> pa.Table:
    """Return what decodes of the damaged files and of files that compaction has replaced.

    The digests decide whether these rows are right.
    """
    storage = PyFileSystem(DeltaStorageHandler(snapshot.table_uri))
    damaged = [file.path for file in files]
    current = {file.path for file in file_swap.data_files(snapshot)}
    replaced = [
        info.path
        for info in storage.get_file_info(FileSelector("", recursive=True))
        if info.path.endswith(".parquet") and not info.path.startswith(LOG) and info.path not in current
    ]
    parts = [SCHEMA.empty_table()]
    for path in [*replaced, *damaged]:
        try:
            rows = pa.Table.from_batches(
                integrity.batches(file_swap.read_bytes(snapshot, path), verify=False)
            )
            parts.append(_normalize(rows))
        # Whatever damaged bytes raise: nothing can be salvaged.
        except Exception:  # noqa: S112
            continue
    return pa.concat_tables(parts)


def add_salvaged(
    rows: pa.Table, salvaged: pa.Table, key: Key, accounts: Accounts, present: set[int]
) -> pa.Table:
    """Add the salvaged records of a partition that Kafka does not have, and erased ones."""
    of_key = salvaged.filter((pc.field("topic_id") == key[0]) & (pc.field("partition") == key[1]))
    erased = {record_id.offset for record_id in accounts.erased if record_id[:2] == key}
    known = {*present, *rows["offset"].to_pylist()} - erased
    below = accounts.expired_below.get(key, 0)
    keep = []
    for offset in of_key["offset"].to_pylist():
        is_new = offset not in known and offset >= below
        keep.append(is_new)
        if is_new:
            known.add(offset)
    extra = of_key.filter(pa.array(keep, pa.bool_()))
    is_replaced = pc.is_in(rows["offset"], extra["offset"].combine_chunks())
    return pa.concat_tables([rows.filter(pc.invert(is_replaced)), extra])


def split_erased(
    rows: pa.Table, erased: Mapping[RecordId, Digest]
) -> tuple[pa.Table, dict[RecordId, Digest]]:
    """Remove records that were erased and have other bytes than the erasure wrote; also return those."""
    removed = {
        record_id: erased[record_id]
        for index, record_id in enumerate(amendments.record_ids(rows))
        if record_id in erased and digest_of(rows.slice(index, 1)) != erased[record_id]
    }
    keep = [record_id not in removed for record_id in amendments.record_ids(rows)]
    return rows.filter(pa.array(keep, pa.bool_())), removed


def erased_rows(key: Key, erased: Mapping[RecordId, Digest]) -> pa.Table:
    """Return rows that keep the record ids of erased records and nothing of their content."""
    rows = [
        {
            "topic_id": key[0],
            "partition": key[1],
            "offset": record_id.offset,
            "value": NOTE,
            "problem": ERASED_PROBLEM,
        }
        for record_id in sorted(erased)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def digest_of(rows: pa.Table) -> Digest:
    """Return the digest of rows of one partition."""
    return next(iter(amendments.digests(rows).values()), EMPTY)
