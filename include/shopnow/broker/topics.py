"""Topics: configuration, creation and retention."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from shopnow.broker import admin_api, client, topic_state
from shopnow.broker.client import Conf
from shopnow.events import TOPICS

LEDGER = "ledger"
SHOP_STATE = "shop_state"
SENT_BATCHES = "sent_batches"
DELIVERY_NOTES = "delivery_notes"

RETENTION_DAYS = 7
SENT_BATCHES_DAYS = 30
MAX_RECORD_BYTES = 8 << 20

_RETENTION = "retention.ms"
_UNLIMITED_MS = 1000 * 365 * 86_400_000
"""A longer retention, such as the greatest number of the setting, is none, and has no end in the calendar."""
_COMPACTED = {"cleanup.policy": "compact", "segment.bytes": str(32 << 20), "min.cleanable.dirty.ratio": "0.1"}
"""Kafka compacts only closed segments; small ones keep the topic short, as readers read all of it."""


def event_config(retention_days: float = RETENTION_DAYS) -> dict[str, str]:
    """Return the configuration of an event topic.

    The broker sets the timestamps, so that records of a producer with a wrong clock do not expire early.
    """
    return {
        _RETENTION: str(round(retention_days * 86_400_000)),
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "message.timestamp.type": "LogAppendTime",
    }


def shop_topics(partitions: int, retention_days: float = RETENTION_DAYS) -> list[NewTopic]:
    """Return all topics of ShopNow+: the event topics and the bookkeeping topics of their producers.

    Of the latter, `ledger` keeps all records; `shop_state` and `delivery_notes` are compacted, which keeps
    the newest record of each key; records of `sent_batches` expire.
    """
    max_size = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    return [
        *(NewTopic(name, partitions, config=event_config(retention_days)) for name in TOPICS),
        NewTopic(LEDGER, 1, config={_RETENTION: "-1", "retention.bytes": "-1", **max_size}),
        NewTopic(SHOP_STATE, 1, config={**_COMPACTED, **max_size}),
        NewTopic(DELIVERY_NOTES, 1, config={"cleanup.policy": "compact", **max_size}),
        NewTopic(SENT_BATCHES, 1, config={_RETENTION: str(SENT_BATCHES_DAYS * 86_400_000), **max_size}),
    ]


def read_retention(conf: Conf, names: Iterable[str]) -> dict[str, float | None]:
    """Return the retention of each topic in days; None if unlimited.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    milliseconds = {
        name: int(configuration[_RETENTION].value)
        for name, configuration in _describe_configs(conf, names).items()
    }
    return {
        name: value / 86_400_000 if 0 <= value < _UNLIMITED_MS else None
        for name, value in milliseconds.items()
    }


def compacted(conf: Conf, names: Iterable[str]) -> frozenset[str]:
    """Return the compacted topics, where Kafka removes records that have a newer one with the same key.

    Raises:
        UserError: a topic does not exist, or Kafka does not respond.
    """
    return frozenset(
        name
        for name, configuration in _describe_configs(conf, names).items()
        if "compact" in configuration["cleanup.policy"].value
    )


def create(conf: Conf, new_topics: Iterable[NewTopic]) -> list[str]:
    """Create the missing topics and wait until they are usable; existing ones keep their configuration.

    Returns:
        The names of the created topics.

    Raises:
        UserError: Kafka does not respond, or rejects the request.
    """
    created = []
    admin = client.admin_client(conf)  # must outlive the futures
    futures = admin.create_topics(
        list(new_topics),
        operation_timeout=admin_api.TIMEOUT_SECONDS,
        request_timeout=admin_api.TIMEOUT_SECONDS,
    )
    for name, future in futures.items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise client.to_user_error(conf, error) from error
    if created:
        topic_state.await_topics(conf, created)
    return created


def set_retention(conf: Conf, names: Iterable[str], retention_days: float) -> list[str]:
    """Set the retention of existing topics.

    Returns:
        The names of the changed topics, sorted; those with that retention already are not altered.

    Raises:
        UserError: a topic does not exist, Kafka does not respond, or it rejects the request.
    """
    admin = client.admin_client(conf)
    milliseconds = event_config(retention_days)[_RETENTION]
    outdated = [
        name
        for name, configuration in _describe_configs(conf, names).items()
        if configuration[_RETENTION].value != milliseconds
    ]
    entry = ConfigEntry(_RETENTION, milliseconds, incremental_operation=AlterConfigOpType.SET)
    changes = [
        ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry]) for name in outdated
    ]
    futures = (
        admin.incremental_alter_configs(changes, request_timeout=admin_api.TIMEOUT_SECONDS) if changes else {}
    )
    for resource, future in futures.items():
        admin_api.result(conf, future, resource.name)
    return sorted(outdated)


def _describe_configs(conf: Conf, names: Iterable[str]) -> dict[str, dict[str, ConfigEntry]]:
    """Return the configuration of each topic, by option."""
    admin = client.admin_client(conf)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    futures = admin.describe_configs(resources, request_timeout=admin_api.TIMEOUT_SECONDS)
    return {
        resource.name: admin_api.result(conf, future, resource.name) for resource, future in futures.items()
    }
