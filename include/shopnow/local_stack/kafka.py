"""Configuration and command line of a Kafka broker in KRaft mode, which may be a controller as well."""

import hashlib
import os
import secrets
import subprocess
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_DNS, uuid5

from shopnow.errors import UserError
from shopnow.local_stack import jars, jvm
from shopnow.settings import Settings

SCRAM_MECHANISM = "SCRAM-SHA-512"
SCRAM_ITERATIONS = 4096
"""Kafka's default."""

_LOG4J = f"""\
{jvm.LOG4J_PROPERTIES}
logger.server.name = kafka.server
logger.server.level = info
"""


class Security(NamedTuple):
    """Authentication over TLS: between brokers by certificate, of clients by SCRAM user and password."""

    certificate: Path
    """PEM file of the brokers' key and certificate, whose common name is `kafka`."""
    ca_certificate: Path
    """PEM file of the certificate authority."""
    superuser_password: str
    """Password of `SUPERUSER`, set when the storage is formatted."""
    inter_broker_port: int = 9094


SUPERUSER = "admin"
"""Creates topics and ACLs; all other users are limited by their ACLs."""


class Broker(NamedTuple):
    """A broker and its cluster, whose first three brokers are also the controllers."""

    home: Path
    heap_mb: int
    partitions: int
    port: int
    controller_port: int
    hosts: Sequence[str] = ("127.0.0.1",)
    """Hosts of all brokers, in the order of their ids from 1; the same on every broker."""
    id: int = 1
    bind_host: str = "127.0.0.1"
    """Address that the broker listens on."""
    security: Security | None = None
    """None: plaintext, without authentication."""

    @property
    def replication_factor(self) -> int:
        return min(3, len(self.hosts))

    @property
    def controllers(self) -> Sequence[str]:
        """Hosts of the controllers: three survive the loss of one, and a growing cluster keeps its quorum."""
        return self.hosts[:3]

    @property
    def is_controller(self) -> bool:
        return self.id <= len(self.controllers)


def local_broker(settings: Settings) -> Broker:
    """Return this machine's single broker."""
    ports = settings.ports
    return Broker(
        settings.data_dir / "kafka",
        settings.kafka_heap_mb,
        settings.topic_partitions,
        ports["kafka"],
        ports["kafka_controller"],
    )


def broker_command(broker: Broker, java: Path) -> list[str]:
    """Return the broker's command line."""
    return [
        *_java_command(broker, java),
        f"-Xms{min(128, broker.heap_mb)}m",
        "kafka.Kafka",
        str(broker.home / "server.properties"),
    ]


def prepare(broker: Broker, java: Path) -> None:
    """Write the broker's configuration and format its storage, unless it is formatted.

    Raises:
        UserError: formatting failed.
    """
    home = broker.home
    home.mkdir(parents=True, exist_ok=True)
    _temporary_dir(broker).mkdir(exist_ok=True)
    (home / "log4j2.properties").write_text(_LOG4J)
    properties = home / "server.properties"
    properties.write_text(
        "".join(f"{name}={_escape(str(value))}\n" for name, value in _properties(broker).items())
    )
    if (home / "data" / "meta.properties").exists():
        return
    # "=" joins the id to its option, as an id may begin with a dash.
    arguments = ["format", f"--cluster-id={cluster_id(broker)}", "-c", str(properties)]
    if broker.is_controller:
        arguments += ["--initial-controllers", _controller_voters(broker)]
    try:
        with _credential_arguments(broker) as credentials:
            subprocess.run(
                [*_java_command(broker, java), "kafka.tools.StorageTool", *arguments, *credentials],
                capture_output=True,
                text=True,
                check=True,
            )
    except subprocess.CalledProcessError as error:
        output_lines = (error.stderr or error.stdout).strip().splitlines() or ["no output"]
        raise UserError(f"formatting Kafka's storage in {home} failed: {output_lines[-1]}") from None


@contextmanager
def _credential_arguments(broker: Broker) -> Iterator[list[str]]:
    """Yield the arguments that store the superuser's credential: a private file of the actual arguments.

    Other processes can see a command line. The credential is salted and hashed here, because the tool's own
    syntax has no escape for the commas and brackets of a password.
    """
    if not (broker.is_controller and broker.security):
        yield []
        return
    salt = secrets.token_bytes(24)
    salted = hashlib.pbkdf2_hmac(
        "sha512", broker.security.superuser_password.encode(), salt, SCRAM_ITERATIONS
    )
    options = f'salt="{b64encode(salt).decode()}",saltedpassword="{b64encode(salted).decode()}"'
    file = broker.home / "credential"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(
            f"--add-scram\n{SCRAM_MECHANISM}=[name={SUPERUSER},iterations={SCRAM_ITERATIONS},{options}]\n"
        )
    try:
        yield [f"@{file}"]
    finally:
        file.unlink()


def cluster_id(broker: Broker) -> str:
    """Derive the cluster id from the controllers' addresses, so that all brokers agree on it."""
    return _name_uuid(_controller_voters(broker))


def _controller_voters(broker: Broker) -> str:
    return ",".join(
        f"{id_}@{host}:{broker.controller_port}:{_name_uuid(host)}"
        for id_, host in enumerate(broker.controllers, 1)
    )


def _name_uuid(name: str) -> str:
    """Derive an id from a name, in Kafka's format: 22 characters of URL-safe base64."""
    return urlsafe_b64encode(uuid5(NAMESPACE_DNS, name).bytes).decode().rstrip("=")


def _escape(value: str) -> str:
    """Escape characters beyond ASCII, such as in a folder's name: Java reads properties as Latin-1."""
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[index : index + 2]) for index in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _temporary_dir(broker: Broker) -> Path:
    return broker.home.with_name("tmp")


def _java_command(broker: Broker, java: Path) -> list[str]:
    temporary_files = f"-Djava.io.tmpdir={_temporary_dir(broker)}"
    log = f"-Dlog4j2.configurationFile={broker.home / 'log4j2.properties'}"
    return jvm.java_command(java, broker.heap_mb, jars.classpath("kafka"), log, temporary_files)


def _properties(broker: Broker) -> dict[str, str | int | Path]:
    controller_port, in_sync = broker.controller_port, max(1, broker.replication_factor - 1)
    return {
        "process.roles": "broker,controller" if broker.is_controller else "broker",
        "node.id": broker.id,
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": ",".join(
            f"{host}:{controller_port}" for host in broker.controllers
        ),
        **(_tls_properties(broker, broker.security) if broker.security else _plaintext_properties(broker)),
        "log.dirs": broker.home / "data",
        "auto.create.topics.enable": "false",
        "num.partitions": broker.partitions,
        "default.replication.factor": broker.replication_factor,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": broker.replication_factor,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": broker.replication_factor,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": broker.replication_factor,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
    }


def _plaintext_properties(broker: Broker) -> dict[str, str]:
    return {
        **_listeners(broker, {"PLAINTEXT": broker.port, "CONTROLLER": broker.controller_port}),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
    }


def _tls_properties(broker: Broker, security: Security) -> dict[str, str]:
    return {
        **_listeners(
            broker,
            {
                "CLIENT": broker.port,
                "BROKER": security.inter_broker_port,
                "CONTROLLER": broker.controller_port,
            },
        ),
        "listener.security.protocol.map": "CLIENT:SASL_SSL,BROKER:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "BROKER",
        "sasl.enabled.mechanisms": SCRAM_MECHANISM,
        f"listener.name.client.{SCRAM_MECHANISM.lower()}.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        **{f"listener.name.{name}.ssl.client.auth": "required" for name in ("broker", "controller")},
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(security.certificate),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(security.ca_certificate),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:CN=kafka;User:{SUPERUSER}",
    }


def _listeners(broker: Broker, ports: Mapping[str, int]) -> dict[str, str]:
    ports = {name: port for name, port in ports.items() if broker.is_controller or name != "CONTROLLER"}
    return {
        "listeners": ",".join(f"{name}://{broker.bind_host}:{port}" for name, port in ports.items()),
        "advertised.listeners": ",".join(
            f"{name}://{broker.hosts[broker.id - 1]}:{port}" for name, port in ports.items()
        ),
    }
