"""Read the generator's own records from a topic, ignoring those of other producers."""

from collections.abc import Iterator

from shopnow.broker import reader, topics
from shopnow.broker.client import Conf

PRODUCER_HEADER = ("producer", b"generate_traffic")
"""Header of every record the generator sends, which distinguishes it from those of other producers."""


def end_offset(conf: Conf, topic: str) -> int:
    """Return the last stable offset of a single-partition topic."""
    return topics.describe(conf, [topic])[topic].end_offsets[0]


def read(conf: Conf, topic: str, upto: int | None = None) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield key and value of the generator's committed records in a single-partition topic.

    Args:
        upto: exclusive end offset; the last stable offset by default.

    Raises:
        UserError: the topic does not exist, or Kafka does not respond.
    """
    earliest, stable = topics.describe(conf, [topic])[topic].partitions[0]
    end = stable if upto is None else min(upto, stable)
    for chunk in reader.read(conf, topic, {0: (earliest, end)}):
        for key, value, headers in zip(chunk.keys, chunk.values, chunk.headers, strict=True):
            if key is not None and PRODUCER_HEADER in (headers or ()):
                yield key, value
