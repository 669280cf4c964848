"""Configuration and command lines of an HDFS NameNode and its DataNodes, with WebHDFS."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from shopnow.errors import UserError
from shopnow.local_stack import jars, jvm, user_namespace
from shopnow.settings import Settings

_NAMENODE_CLASS = "org.apache.hadoop.hdfs.server.namenode.NameNode"
_DATANODE_CLASS = "org.apache.hadoop.hdfs.server.datanode.DataNode"
# The minicluster jar has the daemons; the pyspark package already has the libraries that they need.
_PYSPARK_JARS = (
    *("hadoop-client-api", "hadoop-client-runtime", "slf4j-api", "jcl-over-slf4j"),
    *("log4j-api", "log4j-core", "log4j-slf4j2-impl", "log4j-1.2-api"),
)
JAVA_CLASSES = Path(__file__).with_name("hdfs_java")
"""Folder of `shopnow.HostCheck`, source and classes, on the classpath of HDFS."""


class Node(NamedTuple):
    """A NameNode or DataNode, and the file system it belongs to."""

    home: Path
    heap_mb: int
    ports: Mapping[str, int]
    """Port by its name in `Settings.ports`."""
    namenode_host: str = "127.0.0.1"
    host: str = "127.0.0.1"
    """Host name by which clients reach this node."""
    bind_host: str = "127.0.0.1"
    """Address that the node listens on."""
    replication: int = 2


def local_node(settings: Settings) -> Node:
    """Return this machine's NameNode and first DataNode, which share a configuration."""
    return Node(settings.data_dir / "hdfs", settings.hdfs_heap_mb, settings.ports)


def second_local_node(settings: Settings) -> Node:
    """Return this machine's second DataNode.

    With a single DataNode each file takes half a second to close: the client asks before the DataNode has
    reported the last block, and waits that long before it retries (docs/decisions/0016-two-datanodes.md).
    """
    ports = {
        name: settings.ports[name.replace("datanode", "datanode_2")]
        for name in ("datanode", "datanode_http", "datanode_ipc")
    }
    return local_node(settings)._replace(home=settings.data_dir / "hdfs-2", ports={**settings.ports, **ports})


def namenode_command(node: Node, java: Path) -> list[str]:
    """Return the command line of the NameNode."""
    return [*client_command(node, java), _NAMENODE_CLASS]


def datanode_command(node: Node, java: Path) -> list[str]:
    """Return the command line of the DataNode."""
    return [*client_command(node, java), _DATANODE_CLASS]


def configure(node: Node) -> None:
    """Write the node's configuration."""
    conf_dir = node.home / "conf"
    conf_dir.mkdir(parents=True, exist_ok=True)
    _temporary_dir(node).mkdir(exist_ok=True)
    (conf_dir / "log4j2.properties").write_text(jvm.LOG4J_PROPERTIES)
    _write_site(conf_dir / "core-site.xml", _core_site(node))
    _write_site(conf_dir / "hdfs-site.xml", _hdfs_site(node))


def format_namenode(node: Node, java: Path) -> None:
    """Format the NameNode's storage, unless it is formatted.

    Raises:
        UserError: formatting failed.
    """
    if (node.home / "name" / "current" / "VERSION").exists():
        return
    format_command = [
        *user_namespace.prefix(),
        *namenode_command(node, java),
        "-format",
        "-force",
        "-nonInteractive",
    ]
    result = subprocess.run(format_command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        reasons = [line for line in lines if not line.startswith("\t")] or ["no output"]
        raise UserError(f"formatting HDFS's storage in {node.home} failed: {reasons[-1]}")


def client_command(node: Node, java: Path) -> list[str]:
    """Return the start of any HDFS command line, with the node's configuration; append the main class."""
    classpath = [node.home / "conf", JAVA_CLASSES, *library_classpath()]
    return jvm.java_command(java, node.heap_mb, classpath, f"-Djava.io.tmpdir={_temporary_dir(node)}")


def _temporary_dir(node: Node) -> Path:
    return node.home.with_name("tmp")


def library_classpath() -> list[Path]:
    """Return the jars of HDFS and of the libraries that it needs."""
    return [*jars.classpath("hdfs"), *map(jars.pyspark_jar, _PYSPARK_JARS)]


def _core_site(node: Node) -> dict[str, str | Path]:
    return {
        "fs.defaultFS": f"hdfs://{node.namenode_host}:{node.ports['namenode']}",
        "hadoop.tmp.dir": node.home / "tmp",
        # The WebHDFS user `shopnow` is in the superuser group `shopnow`; anonymous users are in no group.
        "hadoop.user.group.static.mapping.overrides": "shopnow=shopnow;dr.who=;",
        # WebHDFS has no login, so web pages of other sites must not reach it through a visitor's browser.
        "shopnow.http.hosts": f"localhost,127.0.0.1,{node.namenode_host},{node.host}",
        "hadoop.http.filter.initializers": (
            "shopnow.HostCheck$Initializer,org.apache.hadoop.http.lib.StaticUserWebFilter"
        ),
    }


def _hdfs_site(node: Node) -> dict[str, str | int | Path]:
    home, ports, bind_host = node.home, node.ports, node.bind_host
    return {
        "dfs.namenode.name.dir": home / "name",
        "dfs.datanode.data.dir": home / "blocks",
        "dfs.namenode.http-address": f"{node.namenode_host}:{ports['namenode_http']}",
        "dfs.namenode.http-bind-host": bind_host,
        "dfs.namenode.rpc-bind-host": bind_host,
        "dfs.datanode.address": f"{bind_host}:{ports['datanode']}",
        "dfs.datanode.http.address": f"{bind_host}:{ports['datanode_http']}",
        "dfs.datanode.ipc.address": f"{bind_host}:{ports['datanode_ipc']}",
        "dfs.datanode.hostname": node.host,
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.webhdfs.enabled": "true",
        # Requests of browsers that change something need a header which other sites cannot send.
        "dfs.webhdfs.rest-csrf.enabled": "true",
        "dfs.datanode.httpserver.filter.handlers": (
            "shopnow.HostCheck$Handler,org.apache.hadoop.hdfs.server.datanode.web.RestCsrfPreventionFilterHandler"
        ),
        "dfs.replication": node.replication,
        "dfs.permissions.superusergroup": "shopnow",
        # Leave safe mode at once. Declare a DataNode dead after 14 s without a heartbeat: until then clients
        # are sent to it, and hdfs-native fails on that.
        "dfs.namenode.safemode.extension": 0,
        "dfs.namenode.safemode.min.datanodes": 1,
        "dfs.heartbeat.interval": 1,
        "dfs.namenode.heartbeat.recheck-interval": 2000,
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 20,
        "dfs.namenode.handler.count": 10,
        "dfs.datanode.handler.count": 10,
    }


def _write_site(path: Path, properties: dict) -> None:
    elements = "".join(
        f"<property><name>{name}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in properties.items()
    )
    path.write_text(f'<?xml version="1.0"?>\n<configuration>\n{elements}</configuration>\n')
