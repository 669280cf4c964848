"""The same offsets in Kafka and in raw, as digests that are equal exactly if the records are."""

from collections.abc import Iterator

import numpy as np
from deltalake import DeltaTable

from shopnow.broker import reader
from shopnow.broker.client import Conf
from shopnow.broker.reader import Ranges
from shopnow.lake.delta import tables
from shopnow.lake.delta.checksum import NOTHING, Digest, digest

Digests = dict[int, Digest]
"""A digest by partition."""


def kafka_digests(conf: Conf, kafka_topic: str, ranges: Ranges) -> Digests:
    """The digests of what is committed to a topic in the ranges. Memory is bounded, whatever their length.

    Raises:
        MissingOffsets: Kafka no longer has all of it.
        UserError: no such topic, or Kafka does not answer.
    """
    digests = dict.fromkeys(ranges, NOTHING)
    for chunk in reader.read(conf, kafka_topic, ranges):
        digests[chunk.partition] += digest(chunk.partition, chunk.offsets, chunk.keys, chunk.values)
    return digests


def raw_digests(table: DeltaTable, topic_id: str, ranges: Ranges | None = None) -> Digests:
    """The digests of the rows of a raw table that are from one topic id, in the ranges if given. Memory is bounded, whatever its size."""
    digests = dict.fromkeys(ranges or (), NOTHING)
    for partition, offsets, keys, values in _rows(table, topic_id, ranges):
        digests[partition] = digests.get(partition, NOTHING) + digest(partition, offsets, keys, values)
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
