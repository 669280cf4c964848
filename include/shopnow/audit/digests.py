"""Digests of the same offsets in Kafka and in raw, which are equal exactly if the records are."""

from collections.abc import Iterator

import numpy as np
from deltalake import DeltaTable

from shopnow.broker import reader
from shopnow.broker.client import Conf
from shopnow.broker.reader import Ranges
from shopnow.lake.delta import tables
from shopnow.lake.delta.checksum import EMPTY, Digest, digest

Digests = dict[int, Digest]
"""Digest by partition."""


def kafka_digests(conf: Conf, kafka_topic: str, ranges: Ranges) -> Digests:
    """Digest the committed records of a topic in the ranges, in bounded memory.

    Raises:
        MissingOffsets: Kafka no longer has all of the range.
        UserError: the topic does not exist, or Kafka does not answer.
    """
    digests = dict.fromkeys(ranges, EMPTY)
    for chunk in reader.read(conf, kafka_topic, ranges):
        digests[chunk.partition] += digest(chunk.partition, chunk.offsets, chunk.keys, chunk.values)
    return digests


def raw_digests(table: DeltaTable, topic_id: str, ranges: Ranges | None = None) -> Digests:
    """Digest the rows of one topic id in a raw table, within the ranges if given, in bounded memory."""
    digests = dict.fromkeys(ranges or (), EMPTY)
    for partition, offsets, keys, values in _rows(table, topic_id, ranges):
        digests[partition] = digests.get(partition, EMPTY) + digest(partition, offsets, keys, values)
    return digests


def _rows(
    table: DeltaTable, topic_id: str, ranges: Ranges | None
) -> Iterator[tuple[int, np.ndarray, list[bytes | None], list[bytes | None]]]:
    if ranges is not None and not ranges:
        return
    predicate = f"topic_id = '{topic_id}'"
    if ranges:
        within = (
            f'(partition = {partition} AND "offset" >= {start} AND "offset" < {end})'
            for partition, (start, end) in ranges.items()
        )
        predicate += f" AND ({' OR '.join(within)})"
    for batch in tables.batches(table, ["partition", "offset", "key", "value"], predicate):
        partitions, offsets = batch["partition"].to_numpy(), batch["offset"].to_numpy()
        keys, values = batch["key"].to_pylist(), batch["value"].to_pylist()
        for partition in np.unique(partitions).tolist():
            rows = np.flatnonzero(partitions == partition)
            yield partition, offsets[rows], [keys[row] for row in rows], [values[row] for row in rows]
