"""The generator's own records among those of a topic."""

from collections.abc import Iterator

from shopnow.broker import reader, topics
from shopnow.broker.client import Conf

PRODUCER_HEADER = ("producer", b"generate_traffic")
"""Carried by every record the generator sends, to tell it from anyone else's."""


def end_offset(conf: Conf, topic: str) -> int:
    """The last stable offset of a topic of one partition: all before it is decided, committed or not."""
    return topics.describe(conf, [topic])[topic].partitions[0][1]


def read(conf: Conf, topic: str, upto: int | None = None) -> Iterator[tuple[bytes, bytes | None]]:
    """Key and value of the generator's committed records of a topic of one partition; only those before offset `upto` if given.

    Raises:
        UserError: there is no such topic, or Kafka does not answer.
    """
    first, stable = topics.describe(conf, [topic])[topic].partitions[0]
    last = stable if upto is None else min(upto, stable)
    for chunk in reader.read(conf, topic, {0: (first, last)}):
        for key, value, headers in zip(chunk.keys, chunk.values, chunk.headers, strict=True):
            if key is not None and PRODUCER_HEADER in (headers or ()):
                yield key, value
