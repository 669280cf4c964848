"""Kafka users and their ACLs: one user per service that connects to Kafka, with the least privileges."""

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

EVENT_TOPICS = tuple(TOPICS)
BOOKKEEPING_TOPICS = (topics.LEDGER, topics.SHOP_STATE, topics.SENT_BATCHES, topics.DELIVERY_NOTES)
"""Topics in which producers keep their own state."""

READABLE_TOPICS: dict[str, tuple[str, ...]] = {
    # Tasks of the DAGs, and the command line.
    "pipeline": EVENT_TOPICS + BOOKKEEPING_TOPICS,
    # The ShopNow+ tab, in the API server.
    "tab": (*EVENT_TOPICS, topics.SENT_BATCHES),
    # The trigger that tails the stock topic.
    "triggers": ("stock",),
    "metrics": EVENT_TOPICS,
}
WRITABLE_TOPICS: dict[str, tuple[str, ...]] = {
    "pipeline": EVENT_TOPICS + BOOKKEEPING_TOPICS,
    # Orders and payments that are entered on the tab's pages.
    "tab": (*EVENT_TOPICS, topics.SENT_BATCHES),
}
USERS = (SUPERUSER, *READABLE_TOPICS)
"""The password of each user is the secret `kafka_<name>_password`."""

SCRAM_ITERATIONS = 4096
"""Kafka's default."""

_PREFIX = "shopnow"
"""Prefix of consumer group ids and transactional ids."""


def acls() -> Iterator[AclBinding]:
    """Yield the ACLs of all users; everything else is denied."""
    topic, group, transaction = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
    for user, names in READABLE_TOPICS.items():
        yield _binding(user, group, _PREFIX, AclOperation.READ, ResourcePatternType.PREFIXED)
        for name in names:
            yield _binding(user, topic, name, AclOperation.READ)
            yield _binding(user, topic, name, AclOperation.DESCRIBE_CONFIGS)
    for user, names in WRITABLE_TOPICS.items():
        yield _binding(user, transaction, _PREFIX, AclOperation.WRITE, ResourcePatternType.PREFIXED)
        for name in names:
            yield _binding(user, topic, name, AclOperation.WRITE)


def create_acls(conf: Conf) -> None:
    """Create the ACLs that do not exist yet; requires the superuser's configuration.

    Raises:
        KafkaException: Kafka rejects the request or is unreachable.
    """
    admin = client.admin_client(conf)
    for future in admin.create_acls(list(acls())).values():
        future.result(topics.TIMEOUT_SECONDS)


def set_passwords(conf: Conf, passwords: Mapping[str, str]) -> None:
    """Set the SCRAM passwords of users, keyed by user name; requires the superuser's configuration.

    Raises:
        KafkaException: Kafka rejects the request or is unreachable.
    """
    admin = client.admin_client(conf)
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    upsertions = [
        UserScramCredentialUpsertion(user, scram, password.encode()) for user, password in passwords.items()
    ]
    futures = admin.alter_user_scram_credentials(upsertions, request_timeout=topics.TIMEOUT_SECONDS)
    for future in futures.values():
        future.result()


def _binding(
    user: str,
    resource_type: ResourceType,
    name: str,
    operation: AclOperation,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
) -> AclBinding:
    return AclBinding(resource_type, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
