"""How far the lake has read each topic: app transactions of the raw table, written by the very commits that add the rows.

The position of a partition is the version of the app transaction `{topic_id}/{partition}`: the next offset to read. Kafka's
topic id, not its name, is in the key, so a recreated topic is never mistaken for the one before. When the end of a topic
was cut off, Kafka gives offsets a second time under the same id; from then on the lake counts anew, under the topic id
with `~1`, `~2`, … behind it, and so no place is in a raw table twice.
"""

from deltalake import DeltaTable, Transaction

_CUTS = "cuts"


def app_id(topic_id: str, partition: int) -> str:
    """The id of the app transaction that holds the next offset of a partition."""
    return f"{topic_id}/{partition}"


def current_id(table: DeltaTable, kafka_id: str) -> str:
    """What stands for the Kafka topic of this id in the raw table now."""
    return _id(kafka_id, table.transaction_version(f"{kafka_id}/{_CUTS}") or 0)


def ids(table: DeltaTable, kafka_id: str) -> list[str]:
    """All that ever stood for it, the latest first."""
    return [
        _id(kafka_id, cuts) for cuts in range(table.transaction_version(f"{kafka_id}/{_CUTS}") or 0, -1, -1)
    ]


def next_id(table: DeltaTable, kafka_id: str) -> tuple[str, Transaction]:
    """What stands for it after it was cut off once more, and the transaction that makes it so."""
    cuts = (table.transaction_version(f"{kafka_id}/{_CUTS}") or 0) + 1
    return _id(kafka_id, cuts), Transaction(f"{kafka_id}/{_CUTS}", cuts)


def mark_seen(kafka_id: str) -> Transaction:
    """The transaction that makes a topic one that `is_known`, before anything of it has landed."""
    return Transaction(f"{kafka_id}/{_CUTS}", 0)


def is_known(table: DeltaTable, kafka_id: str, partitions: list[int]) -> bool:
    """Whether the table has to do with this topic already."""
    marks = [f"{kafka_id}/{_CUTS}", *(app_id(kafka_id, partition) for partition in partitions)]
    return any(table.transaction_version(mark) is not None for mark in marks)


def position(table: DeltaTable, topic_id: str, partition: int) -> int | None:
    """The next offset to read of a partition; None if nothing of it was read."""
    return table.transaction_version(app_id(topic_id, partition))


def kafka_id(topic_id: str) -> str:
    """Kafka's own id of what stands for it in the lake."""
    return topic_id.partition("~")[0]


def _id(kafka_id: str, cuts: int) -> str:
    return f"{kafka_id}~{cuts}" if cuts else kafka_id
