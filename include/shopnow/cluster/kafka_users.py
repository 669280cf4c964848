"""Kafka users and their ACLs: one user per service that connects to Kafka, with the least privileges."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from shopnow.alerts import stock_watcher
from shopnow.broker import admin_api, client, held_back, reader, topics
from shopnow.broker.client import Conf
from shopnow.events import TOPICS
from shopnow.local_stack.kafka import SCRAM_ITERATIONS, SUPERUSER
from shopnow.submission.producer import TRANSACTIONAL_ID_PREFIX as SUBMISSION
from shopnow.traffic.producer import TRANSACTIONAL_ID as TRAFFIC

EVENT_TOPICS = tuple(TOPICS)
BOOKKEEPING_TOPICS = (topics.LEDGER, topics.SHOP_STATE, topics.SENT_BATCHES, topics.DELIVERY_NOTES)
"""Topics in which producers keep their own state."""


class Access(NamedTuple):
    """What a user may do; everything else is denied. Reading and writing a topic include describing it."""

    describes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads_configuration: tuple[str, ...] = ()
    """Topics whose retention and cleanup policy it reads."""
    groups: tuple[str, ...] = ()
    """Ids of its consumers. They are never joined, but the client looks up the coordinator of its group."""
    transactional_ids: tuple[str, ...] = ()
    transactional_id_prefixes: tuple[str, ...] = ()


ACCESS: Mapping[str, Access] = {
    # Tasks of the DAGs, and the command line.
    "pipeline": Access(
        reads=EVENT_TOPICS + BOOKKEEPING_TOPICS,
        writes=EVENT_TOPICS + BOOKKEEPING_TOPICS,
        reads_configuration=EVENT_TOPICS,
        groups=(reader.GROUP, held_back.GROUP),
        transactional_ids=(TRAFFIC,),
        # Batches of the DAG send_events, and of ./shopnow send.
        transactional_id_prefixes=(f"{SUBMISSION}send_events/", f"{SUBMISSION}cli/"),
    ),
    # The ShopNow+ tab, in the API server: shows the latest events, sends orders and payments.
    "tab": Access(
        reads=(*EVENT_TOPICS, topics.SENT_BATCHES),
        writes=("orders", "payments", topics.SENT_BATCHES),
        groups=(reader.GROUP, "shopnow-tab"),
        transactional_id_prefixes=(f"{SUBMISSION}shopnow_tab/",),
    ),
    # The trigger that tails the stock topic, and the one that compares all topics with the lake.
    "triggers": Access(describes=EVENT_TOPICS, reads=("stock",), groups=(stock_watcher.GROUP,)),
    # Positions only, no records.
    "metrics": Access(describes=EVENT_TOPICS),
    # The service monitor asks for the brokers, which needs a login and no more.
    "monitor": Access(),
}
USERS = (SUPERUSER, *ACCESS)
"""The password of each user is the secret `kafka_<name>_password`."""

EVERY_ACL = AclBindingFilter(
    ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
)


def acls() -> Iterator[AclBinding]:
    """Yield the ACLs of all users but the superuser, who needs none."""
    topic, group, transaction = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
    for user, access in ACCESS.items():
        for names, resource_type, operation, pattern in (
            (access.describes, topic, AclOperation.DESCRIBE, ResourcePatternType.LITERAL),
            (access.reads, topic, AclOperation.READ, ResourcePatternType.LITERAL),
            (access.writes, topic, AclOperation.WRITE, ResourcePatternType.LITERAL),
            (access.reads_configuration, topic, AclOperation.DESCRIBE_CONFIGS, ResourcePatternType.LITERAL),
            (access.groups, group, AclOperation.DESCRIBE, ResourcePatternType.LITERAL),
            (access.transactional_ids, transaction, AclOperation.WRITE, ResourcePatternType.LITERAL),
            (access.transactional_id_prefixes, transaction, AclOperation.WRITE, ResourcePatternType.PREFIXED),
        ):
            for name in names:
                yield _binding(user, resource_type, name, operation, pattern)


def set_acls(conf: Conf) -> None:
    """Make the ACLs of Kafka those of `acls`; requires the superuser's configuration.

    ACLs of these users that are no longer in `ACCESS` are deleted, as those of an earlier version may be
    wider. Those of other principals are kept.

    Raises:
        KafkaException: Kafka rejects the request or is unreachable.
    """
    admin, wanted = client.admin_client(conf), set(acls())
    for future in admin.create_acls(list(wanted)).values():
        future.result(admin_api.TIMEOUT_SECONDS)
    principals = {f"User:{user}" for user in ACCESS}
    existing = admin.describe_acls(EVERY_ACL).result(admin_api.TIMEOUT_SECONDS)
    outdated = [acl for acl in existing if acl.principal in principals and acl not in wanted]
    filters = [
        AclBindingFilter(
            acl.restype,
            acl.name,
            acl.resource_pattern_type,
            acl.principal,
            acl.host,
            acl.operation,
            acl.permission_type,
        )
        for acl in outdated
    ]
    for future in admin.delete_acls(filters).values() if filters else ():
        future.result(admin_api.TIMEOUT_SECONDS)


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
    futures = admin.alter_user_scram_credentials(upsertions, request_timeout=admin_api.TIMEOUT_SECONDS)
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
