"""Read the generator's own records from a topic, ignoring those of other producers."""

from collections.abc import Iterator

from shopnow.broker import reader, topic_state
from shopnow.broker.client import Conf
from shopnow.traffic import signature

PRODUCER_HEADER = ("producer", b"generate_traffic")
"""Header of every record the generator sends. Other producers can send it, too: it proves nothing."""


def end_offset(conf: Conf, topic: str) -> int:
    """Return the last stable offset of a single-partition topic."""
    return topic_state.describe(conf, [topic])[topic].end_offsets[0]


def read(conf: Conf, topic: str, upto: int | None = None) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield key and value of the generator's committed records in a single-partition topic.

    Args:
        upto: exclusive end offset; the last stable offset by default.

    Raises:
        UserError: the topic does not exist, or Kafka does not respond.
    """
    state = topic_state.describe(conf, [topic])[topic]
    earliest, stable = state.partitions[0]
    end = stable if upto is None else min(upto, stable)
    signing_key = signature.load(conf)
    verifier = signature.Verifier(signing_key, topic, state.topic_id) if signing_key else None
    for chunk in reader.read(conf, topic, {0: (earliest, end)}):
        for offset, key, value, headers in zip(
            chunk.offsets, chunk.keys, chunk.values, chunk.headers, strict=True
        ):
            if key is None or PRODUCER_HEADER not in (headers or ()):
                continue
            if verifier is None or verifier.accepts(offset, key, value, headers or ()):
                yield key, value
