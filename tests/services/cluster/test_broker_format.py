"""Kafka's own tool formats the brokers of the cluster with one cluster id."""

import subprocess

from shopnow.cluster.secret_files import read_secret
from shopnow.cluster.services import SERVICES
from shopnow.cluster.settings import ClusterSettings
from shopnow.local_stack import kafka
from shopnow.settings import Settings


def test_three_brokers_form_one_cluster(container, monkeypatch):
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "kafka-2")
    SERVICES["kafka"].prepare(container)
    home = kafka.local_broker(container.settings).home
    properties = dict(line.split("=", 1) for line in (home / "server.properties").read_text().splitlines())
    assert properties["node.id"] == "2"
    assert properties["advertised.listeners"].startswith("CLIENT://kafka-2:")
    assert (
        properties["default.replication.factor"]
        == properties["transaction.state.log.replication.factor"]
        == "3"
    )
    assert properties["min.insync.replicas"] == properties["transaction.state.log.min.isr"] == "2"
    assert properties["listener.security.protocol.map"] == "CLIENT:SASL_SSL,BROKER:SSL,CONTROLLER:SSL"
    assert "PLAINTEXT" not in (home / "server.properties").read_text()
    first = (home / "data" / "meta.properties").read_text()
    other_container = container._replace(settings=Settings(data_dir=container.settings.data_dir / "other"))
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "kafka-3")
    SERVICES["kafka"].prepare(other_container)
    second = (kafka.local_broker(other_container.settings).home / "data" / "meta.properties").read_text()
    assert _property(first, "cluster.id") == _property(second, "cluster.id")
    assert _property(first, "directory.id") != _property(second, "directory.id")


def test_fourth_broker_joins_the_cluster_without_being_a_voter(container, monkeypatch):
    def prepare_broker(name: str, hosts: str) -> dict[str, str]:
        broker_container = container._replace(
            cluster=ClusterSettings(kafka_hosts=hosts),
            settings=Settings(data_dir=container.settings.data_dir / name),
        )
        monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: name)
        SERVICES["kafka"].prepare(broker_container)
        home = kafka.local_broker(broker_container.settings).home
        files = (home / "server.properties", home / "data" / "meta.properties")
        return dict(
            line.split("=", 1) for file in files for line in file.read_text().splitlines() if "=" in line
        )

    first = prepare_broker("kafka-1", "kafka-1,kafka-2,kafka-3")
    fourth = prepare_broker("kafka-4", "kafka-1,kafka-2,kafka-3,kafka-4")
    assert fourth["cluster.id"] == first["cluster.id"]
    assert fourth["controller.quorum.bootstrap.servers"] == first["controller.quorum.bootstrap.servers"]
    assert (fourth["node.id"], fourth["process.roles"]) == ("4", "broker")
    assert "CONTROLLER" not in fourth["listeners"]


def test_no_command_line_has_the_password_of_the_superuser(container, monkeypatch):
    password, command_lines = read_secret("kafka_admin_password"), []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess:
        command_lines.append(command)
        return original(command, **options)

    original = subprocess.run
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "kafka-1")
    monkeypatch.setattr(subprocess, "run", run)
    SERVICES["kafka"].prepare(container)
    command_lines.append(SERVICES["kafka"].command(container))
    assert len(command_lines) == 2
    assert not [
        word for command in command_lines for word in command if password in word or "add-scram" in word
    ]
    home = kafka.local_broker(container.settings).home
    assert not (home / "credential").exists()


def _property(text: str, name: str) -> str:
    [value] = [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]
    return value
