"""An HDFS NameNode and its DataNodes, with WebHDFS."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from shopnow.errors import UserError
from shopnow.local_stack import jars, jvm
from shopnow.settings import Settings

_NAMENODE_CLASS = "org.apache.hadoop.hdfs.server.namenode.NameNode"
_DATANODE_CLASS = "org.apache.hadoop.hdfs.server.datanode.DataNode"
# The minicluster jar holds the daemons; what they run on is in the pyspark package already.
_PYSPARK_JARS = (
    *("hadoop-client-api", "hadoop-client-runtime", "slf4j-api", "jcl-over-slf4j"),
    *("log4j-api", "log4j-core", "log4j-slf4j2-impl", "log4j-1.2-api"),
)


class Node(NamedTuple):
    """A NameNode or DataNode, and the file system it belongs to."""

    home: Path
    heap_mb: int
    ports: Mapping[str, int]
    """By their names in `Settings.ports`."""
    namenode: str = "127.0.0.1"
    """Where the NameNode is."""
    host: str = "127.0.0.1"
    """Where others reach this node."""
    bind: str = "127.0.0.1"
    """The address it listens on."""
    replicas: int = 2


def local_node(settings: Settings) -> Node:
    """The NameNode and the first DataNode of this machine, which share a configuration."""
    return Node(settings.data_dir / "hdfs", settings.hdfs_heap_mb, settings.ports)


def second_local_node(settings: Settings) -> Node:
    """The second DataNode of this machine.

    With one alone, each file takes half a second to close: the client asks before the DataNode's report is in, is told to
    wait, and does so for that long (docs/decisions/0016-two-datanodes.md).
    """
    own = {
        name: settings.ports[name.replace("datanode", "datanode_2")]
        for name in ("datanode", "datanode_http", "datanode_ipc")
    }
    return local_node(settings)._replace(home=settings.data_dir / "hdfs-2", ports={**settings.ports, **own})


def namenode_command(node: Node, java: Path) -> list[str]:
    """The NameNode's command line."""
    return [*client_command(node, java), _NAMENODE_CLASS]


def datanode_command(node: Node, java: Path) -> list[str]:
    """The DataNode's command line."""
    return [*client_command(node, java), _DATANODE_CLASS]


def configure(node: Node) -> None:
    """Writes the node's configuration."""
    conf = node.home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "log4j2.properties").write_text(jvm.LOG4J_PROPERTIES)
    _write_site(conf / "core-site.xml", _core_site(node))
    _write_site(conf / "hdfs-site.xml", _hdfs_site(node))


def format_namenode(node: Node, java: Path) -> None:
    """Formats a NameNode's storage, the first time.

    Raises:
        UserError: it could not be formatted.
    """
    if (node.home / "name" / "current" / "VERSION").exists():
        return
    format_ = [*client_command(node, java), _NAMENODE_CLASS, "-format", "-force", "-nonInteractive"]
    run = subprocess.run(format_, capture_output=True, text=True, check=False)
    if run.returncode:
        reason = (run.stderr or run.stdout).strip().splitlines() or ["no output"]
        raise UserError(f"HDFS's storage in {node.home} could not be formatted: {reason[-1]}")


def client_command(node: Node, java: Path) -> list[str]:
    """The beginning of the command line of anything of HDFS's, with the node's configuration; the main class follows."""
    classpath = [node.home / "conf", *jars.classpath("hdfs"), *map(jars.pyspark_jar, _PYSPARK_JARS)]
    return jvm.java_command(java, node.heap_mb, classpath)


def _core_site(node: Node) -> dict[str, str | Path]:
    return {
        "fs.defaultFS": f"hdfs://{node.namenode}:{node.ports['namenode']}",
        "hadoop.tmp.dir": node.home / "tmp",
        # Who comes by WebHDFS as `shopnow` may do what the owner of the processes may.
        "hadoop.user.group.static.mapping.overrides": "shopnow=shopnow;dr.who=;",
    }


def _hdfs_site(node: Node) -> dict[str, str | int | Path]:
    home, ports, bind = node.home, node.ports, node.bind
    return {
        "dfs.namenode.name.dir": home / "name",
        "dfs.datanode.data.dir": home / "blocks",
        "dfs.namenode.http-address": f"{node.namenode}:{ports['namenode_http']}",
        "dfs.namenode.http-bind-host": bind,
        "dfs.namenode.rpc-bind-host": bind,
        "dfs.datanode.address": f"{bind}:{ports['datanode']}",
        "dfs.datanode.http.address": f"{bind}:{ports['datanode_http']}",
        "dfs.datanode.ipc.address": f"{bind}:{ports['datanode_ipc']}",
        "dfs.datanode.hostname": node.host,
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.webhdfs.enabled": "true",
        "dfs.replication": node.replicas,
        "dfs.permissions.superusergroup": "shopnow",
        # Leave safe mode at once; give up a DataNode after 14 s without a heartbeat, since until then it is still offered to
        # clients, and hdfs-native then fails.
        "dfs.namenode.safemode.extension": 0,
        "dfs.namenode.safemode.min.datanodes": 1,
        "dfs.heartbeat.interval": 1,
        "dfs.namenode.heartbeat.recheck-interval": 2000,
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 20,
        "dfs.namenode.handler.count": 10,
        "dfs.datanode.handler.count": 10,
    }


def _write_site(path: Path, properties: dict) -> None:
    rows = "".join(
        f"<property><name>{name}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in properties.items()
    )
    path.write_text(f'<?xml version="1.0"?>\n<configuration>\n{rows}</configuration>\n')
