"""A Kafka broker and controller in one process (KRaft)."""

import subprocess
from pathlib import Path

from shopnow.errors import UserError
from shopnow.platform import jars, jvm
from shopnow.settings import Settings

_LOG4J = f"""\
{jvm.LOG4J}
logger.server.name = kafka.server
logger.server.level = info
"""


def command(settings: Settings, java: Path) -> list[str]:
    """The broker's command line."""
    home = settings.data_dir / "kafka"
    return [*_java(settings, java), f"-Xms{min(128, settings.kafka_heap_mb)}m", "kafka.Kafka", str(home / "server.properties")]


def prepare(settings: Settings, java: Path) -> None:
    """Writes the broker's configuration and, the first time, formats its storage.

    Raises:
        UserError: the storage could not be formatted.
    """
    home = settings.data_dir / "kafka"
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.properties").write_text(_LOG4J)
    properties = home / "server.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in _properties(settings).items()))
    if (home / "data" / "meta.properties").exists():
        return
    tool = [*_java(settings, java), "kafka.tools.StorageTool"]
    try:
        cluster = subprocess.run([*tool, "random-uuid"], capture_output=True, text=True, check=True).stdout.strip()
        format_ = [*tool, "format", "--standalone", "-t", cluster, "-c", str(properties)]
        subprocess.run(format_, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip().splitlines() or ["no output"]
        raise UserError(f"Kafka's storage in {home} could not be formatted: {reason[-1]}") from None


def _java(settings: Settings, java: Path) -> list[str]:
    log = f"-Dlog4j2.configurationFile={settings.data_dir / 'kafka' / 'log4j2.properties'}"
    return jvm.command(java, settings.kafka_heap_mb, jars.classpath("kafka"), log)


def _properties(settings: Settings) -> dict[str, str | int | Path]:
    broker, controller = settings.ports["kafka"], settings.ports["kafka_controller"]
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": settings.data_dir / "kafka" / "data",
        "auto.create.topics.enable": "false",
        "num.partitions": settings.topic_partitions,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
