"""Tools that run in their own container: the commands of `./shopnow`, and the admin tools of Kafka and HDFS.

docker compose run --rm --no-deps setup kafka-topics --describe
docker compose run --rm --no-deps setup hdfs-dfsadmin -report

The admin tools have the names and arguments of the distributions' scripts; the Kafka tools are given the
brokers' addresses and the admin's credentials.
"""

import sys

from shopnow.cluster import connections
from shopnow.cluster.secret_files import write_private_file
from shopnow.cluster.services import Container, Service, hdfs_node
from shopnow.cluster.settings import RUN_DIR
from shopnow.local_stack import hdfs, jars, jvm, kafka

HEAP_MB = 256

KAFKA_TOOLS = {
    "kafka-features": "FeatureCommand",
    "kafka-metadata-quorum": "MetadataQuorumCommand",
    "kafka-reassign-partitions": "reassign.ReassignPartitionsCommand",
    "kafka-topics": "TopicCommand",
}
HDFS_TOOLS = {
    "hdfs-balancer": "hdfs.server.balancer.Balancer",
    "hdfs-dfsadmin": "hdfs.tools.DFSAdmin",
    "hdfs-fsck": "hdfs.tools.DFSck",
}

ADMIN_PROPERTIES = RUN_DIR / "admin.properties"


def _admin_conf(container: Container) -> dict[str, str]:
    return connections.kafka(container.cluster, container.settings, kafka.SUPERUSER)


def _write_admin_properties(container: Container) -> None:
    """Write the admin's client configuration in the format of Kafka's Java tools."""
    conf = _admin_conf(container)
    login = f"username={_quote(conf['sasl.username'])} password={_quote(conf['sasl.password'])}"
    properties = {
        **{name: conf[name] for name in ("security.protocol", "sasl.mechanism")},
        "sasl.jaas.config": f"org.apache.kafka.common.security.scram.ScramLoginModule required {login};",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": conf["ssl.ca.location"],
    }
    write_private_file(ADMIN_PROPERTIES, "".join(f"{name}={value}\n" for name, value in properties.items()))


def _quote(text: str) -> str:
    """Quote a text for a JAAS configuration within a file of Java properties, each with its own escapes."""
    escaped = text.replace("\\", 4 * "\\").replace('"', 2 * "\\" + '"')
    return f'"{escaped}"'


def _kafka_tool(main_class: str) -> Service:
    def command(container: Container) -> list[str]:
        servers = ["--bootstrap-server", _admin_conf(container)["bootstrap.servers"]]
        java = jvm.java_command(container.java_home, HEAP_MB, jars.classpath("kafka"))
        return [
            *java,
            f"org.apache.kafka.tools.{main_class}",
            *servers,
            "--command-config",
            str(ADMIN_PROPERTIES),
        ]

    return Service(command, _write_admin_properties)


def _hdfs_tool(main_class: str) -> Service:
    return Service(
        lambda container: [
            *hdfs.client_command(hdfs_node(container)._replace(heap_mb=HEAP_MB), container.java_home),
            f"org.apache.hadoop.{main_class}",
        ],
        lambda container: hdfs.configure(hdfs_node(container)),
    )


TOOLS: dict[str, Service] = {
    "cli": Service(
        lambda container: [sys.executable, "-m", "shopnow.cli"],
        environment=lambda container: connections.variables(
            container.cluster, container.settings, "pipeline"
        ),
    ),
    **{name: _kafka_tool(main_class) for name, main_class in KAFKA_TOOLS.items()},
    **{name: _hdfs_tool(main_class) for name, main_class in HDFS_TOOLS.items()},
}
