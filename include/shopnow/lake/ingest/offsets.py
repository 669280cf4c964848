"""Landed offsets: app transactions of the raw table, written by the commits that add the rows.

The position of a partition is the version of the app transaction `{topic_id}/{partition}`: the next offset to
read. The key holds Kafka's topic id, not the name, so a recreated topic is never mistaken for its
predecessor. After a topic was truncated, Kafka assigns offsets a second time under the same topic id. The
lake then continues under the topic id with the suffix `~1`, `~2`, …, so that no record id occurs twice in a
raw table.
"""

from deltalake import DeltaTable, Transaction

# Suffix of the app transaction that counts the truncations of a topic; stored in every lake.
_TRUNCATIONS = "cuts"


def app_id(topic_id: str, partition: int) -> str:
    """Return the id of the app transaction that holds the next offset of a partition."""
    return f"{topic_id}/{partition}"


def current_id(table: DeltaTable, kafka_id: str) -> str:
    """Return the lake's current id of the Kafka topic with this topic id."""
    return _id(kafka_id, _truncations(table, kafka_id))


def ids(table: DeltaTable, kafka_id: str) -> list[str]:
    """Return all ids that the lake has used for the Kafka topic, latest first."""
    return [_id(kafka_id, truncations) for truncations in range(_truncations(table, kafka_id), -1, -1)]


def next_id(table: DeltaTable, kafka_id: str) -> tuple[str, Transaction]:
    """Return the lake's id of the topic after one more truncation, and the app transaction that sets it."""
    truncations = _truncations(table, kafka_id) + 1
    return _id(kafka_id, truncations), Transaction(f"{kafka_id}/{_TRUNCATIONS}", truncations)


def mark_seen(kafka_id: str) -> Transaction:
    """Return the app transaction that makes a topic `is_known` before any of its records has landed."""
    return Transaction(f"{kafka_id}/{_TRUNCATIONS}", 0)


def is_known(table: DeltaTable, kafka_id: str, partitions: list[int]) -> bool:
    """Return whether the table has an app transaction of this topic."""
    candidates = [f"{kafka_id}/{_TRUNCATIONS}", *(app_id(kafka_id, partition) for partition in partitions)]
    return any(table.transaction_version(candidate) is not None for candidate in candidates)


def position(table: DeltaTable, topic_id: str, partition: int) -> int | None:
    """Return the next offset to read of a partition; None before its first landing."""
    return table.transaction_version(app_id(topic_id, partition))


def kafka_id(topic_id: str) -> str:
    """Return Kafka's topic id of a topic id of the lake."""
    return topic_id.partition("~")[0]


def _truncations(table: DeltaTable, kafka_id: str) -> int:
    return table.transaction_version(f"{kafka_id}/{_TRUNCATIONS}") or 0


def _id(kafka_id: str, truncations: int) -> str:
    return f"{kafka_id}~{truncations}" if truncations else kafka_id
