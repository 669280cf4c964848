"""A broker with the security of the cluster: certificates, users and ACLs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shopnow.broker import topics
from shopnow.cluster import (
    certificates,
    connections,
    kafka_client,
    kafka_users,
    make_secrets,
    probes,
    secret_files,
    tools,
)
from shopnow.cluster.services import Container
from shopnow.cluster.settings import ClusterSettings
from shopnow.local_stack import kafka, stack, supervision
from support.free_ports import free_ports, settings_on_free_ports
from support.storage_services import without_optimizing_compiler

HARD_CHARACTERS = "@:/%#?&=+ $x\\\"',;]{}~"
"""Characters that mean something in a URL, a shell, or one of Kafka's configuration files."""

Conf = dict[str, Any]


@contextmanager
def secured_broker(folder: Path) -> Iterator[Container]:
    """The container of a running broker, with the topics, users and ACLs that `setup` creates."""
    (folder / "secrets").mkdir()
    issued = certificates.issue_certificate("kafka", ["localhost"])
    passwords = {name: f"{HARD_CHARACTERS}{name}" for name in make_secrets.PASSWORDS}
    for name, value in {
        **passwords,
        "kafka_certificate": issued.certificate,
        "kafka_authority": issued.authority,
    }.items():
        (folder / "secrets" / name).write_text(value)
    settings = settings_on_free_ports(folder / "data")
    with pytest.MonkeyPatch.context() as patch, without_optimizing_compiler():
        patch.setattr(secret_files, "SECRETS_DIR", folder / "secrets")
        patch.setattr(kafka_client, "PORT", settings.ports["kafka"])
        patch.setattr(tools, "ADMIN_PROPERTIES", folder / "admin.properties")
        java = stack.install(settings, lambda *step: None)
        running = Container(ClusterSettings(kafka_hosts="localhost"), settings, java)
        broker = kafka.local_broker(settings)._replace(
            hosts=["localhost"],
            security=kafka.Security(
                folder / "secrets" / "kafka_certificate",
                folder / "secrets" / "kafka_authority",
                passwords["kafka_admin_password"],
                *free_ports(1),
            ),
        )
        kafka.prepare(broker, java)
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(kafka.broker_command(broker, java), stdout=log, stderr=log) as process,
        ):
            try:
                assert supervision.wait_until(lambda: answers(folder, process), 60), (
                    folder / "log"
                ).read_text()
                admin = conf_of(running, "admin")
                topics.create(admin, topics.shop_topics(partitions=2))
                kafka_users.set_passwords(
                    admin, {user: passwords[f"kafka_{user}_password"] for user in kafka_users.ACCESS}
                )
                kafka_users.set_acls(admin)
                yield running
            finally:
                process.kill()


def answers(folder: Path, process: subprocess.Popen) -> bool:
    assert process.poll() is None, (folder / "log").read_text()
    try:
        return probes.kafka("localhost", "admin")
    except probes.ProbeError:
        return False


def conf_of(container: Container, user: str) -> Conf:
    return {**connections.kafka(container.cluster, container.settings, user), "log_level": 0}
