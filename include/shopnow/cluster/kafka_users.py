"""Who may do what in Kafka: a user for each service that has to do with it, and nothing for anyone else."""

from collections.abc import Iterator, Mapping

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from shopnow.broker import client, topics
from shopnow.broker.client import Conf
from shopnow.events import TOPICS
from shopnow.local_stack.kafka import SUPERUSER

EVENTS = tuple(TOPICS)
NOTES = (topics.LEDGER, topics.SHOP_STATE, topics.SENT_BATCHES, topics.DELIVERY_NOTES)
"""What senders note beside the events."""

READS: dict[str, tuple[str, ...]] = {
    # The DAGs' tasks, and the command line.
    "pipeline": EVENTS + NOTES,
    # The ShopNow+ tab, in the API server.
    "tab": (*EVENTS, topics.SENT_BATCHES),
    # The trigger that waits at the end of the topic.
    "triggers": ("stock",),
    "metrics": EVENTS,
}
WRITES: dict[str, tuple[str, ...]] = {
    "pipeline": EVENTS + NOTES,
    # Orders and payments that people make on its pages.
    "tab": (*EVENTS, topics.SENT_BATCHES),
}
USERS = (SUPERUSER, *READS)
"""The password of each is the secret `kafka_<name>_password`."""

ITERATIONS = 4096
"""As Kafka has them by default."""

_OURS = "shopnow"
"""What the names of consumer groups and of transactions begin with."""


def acls() -> Iterator[AclBinding]:
    """All that is allowed."""
    topic, group, transaction = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
    for user, names in READS.items():
        yield _allow(user, group, _OURS, AclOperation.READ, ResourcePatternType.PREFIXED)
        for name in names:
            yield _allow(user, topic, name, AclOperation.READ)
            yield _allow(user, topic, name, AclOperation.DESCRIBE_CONFIGS)
    for user, names in WRITES.items():
        yield _allow(user, transaction, _OURS, AclOperation.WRITE, ResourcePatternType.PREFIXED)
        for name in names:
            yield _allow(user, topic, name, AclOperation.WRITE)


def allow(conf: Conf) -> None:
    """Makes the rules, as the superuser; those that are there stay.

    Raises:
        KafkaException: Kafka refuses, or does not answer.
    """
    admin = client.admin(conf)
    for future in admin.create_acls(list(acls())).values():
        future.result(topics.TIMEOUT_SECONDS)


def set_passwords(conf: Conf, passwords: Mapping[str, str]) -> None:
    """Gives users their passwords, by name, as the superuser.

    Raises:
        KafkaException: Kafka refuses, or does not answer.
    """
    admin = client.admin(conf)
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    changes = [
        UserScramCredentialUpsertion(user, scram, password.encode()) for user, password in passwords.items()
    ]
    for future in admin.alter_user_scram_credentials(
        changes, request_timeout=topics.TIMEOUT_SECONDS
    ).values():
        future.result()


def _allow(
    user: str,
    kind: ResourceType,
    name: str,
    operation: AclOperation,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
) -> AclBinding:
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
