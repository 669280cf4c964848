"""What is run beside the services, in a container of its own: the commands of `./shopnow`, and the administrators' tools of Kafka and HDFS.

docker compose run --rm --no-deps setup kafka-topics --describe
docker compose run --rm --no-deps setup hdfs-dfsadmin -report

They are named after the distributions' scripts for them, and take the same arguments but for where Kafka is and who asks.
"""

import sys

from shopnow.cluster import connections
from shopnow.cluster.services import Container, Service, node
from shopnow.cluster.settings import RUN
from shopnow.local_stack import hdfs, jars, jvm, kafka

HEAP_MB = 256

KAFKA = {
    "kafka-features": "FeatureCommand",
    "kafka-metadata-quorum": "MetadataQuorumCommand",
    "kafka-reassign-partitions": "reassign.ReassignPartitionsCommand",
    "kafka-topics": "TopicCommand",
}
HDFS = {
    "hdfs-balancer": "hdfs.server.balancer.Balancer",
    "hdfs-dfsadmin": "hdfs.tools.DFSAdmin",
    "hdfs-fsck": "hdfs.tools.DFSck",
}

CLIENT = RUN / "admin.properties"


def _conf(it: Container) -> dict[str, str]:
    return connections.kafka(it.cluster, it.settings, kafka.SUPERUSER)


def _write_client(it: Container) -> None:
    """The same client as Java writes it: a login in one line, and a truststore."""
    conf = _conf(it)
    login = f'username="{conf["sasl.username"]}" password="{conf["sasl.password"]}"'
    properties = {
        **{name: conf[name] for name in ("security.protocol", "sasl.mechanism")},
        "sasl.jaas.config": f"org.apache.kafka.common.security.scram.ScramLoginModule required {login};",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": conf["ssl.ca.location"],
    }
    CLIENT.touch(0o600)
    CLIENT.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def _kafka(main: str) -> Service:
    def command(it: Container) -> list[str]:
        where = ["--bootstrap-server", _conf(it)["bootstrap.servers"], "--command-config", str(CLIENT)]
        return [
            *jvm.command(it.java, HEAP_MB, jars.classpath("kafka")),
            f"org.apache.kafka.tools.{main}",
            *where,
        ]

    return Service(command, _write_client)


def _hdfs(main: str) -> Service:
    return Service(
        lambda it: [
            *hdfs.java_command(node(it)._replace(heap_mb=HEAP_MB), it.java),
            f"org.apache.hadoop.{main}",
        ],
        lambda it: hdfs.configure(node(it)),
    )


TOOLS: dict[str, Service] = {
    "cli": Service(
        lambda it: [sys.executable, "-m", "shopnow.cli"],
        environment=lambda it: connections.variables(it.cluster, it.settings, "pipeline"),
    ),
    **{name: _kafka(main) for name, main in KAFKA.items()},
    **{name: _hdfs(main) for name, main in HDFS.items()},
}
