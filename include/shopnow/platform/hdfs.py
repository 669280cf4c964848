"""An HDFS NameNode and DataNode, with WebHDFS."""

import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

from shopnow.errors import UserError
from shopnow.platform import jars, jvm
from shopnow.settings import Settings

_NAMENODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
_DATANODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"
# The minicluster jar holds the daemons; what they run on is in the pyspark package already.
_FROM_PYSPARK = (
    *("hadoop-client-api", "hadoop-client-runtime", "slf4j-api", "jcl-over-slf4j"),
    *("log4j-api", "log4j-core", "log4j-slf4j2-impl", "log4j-1.2-api"),
)


def namenode(settings: Settings, java: Path) -> list[str]:
    """The NameNode's command line."""
    return [*_java(settings, java), _NAMENODE]


def datanode(settings: Settings, java: Path) -> list[str]:
    """The DataNode's command line."""
    return [*_java(settings, java), _DATANODE]


def prepare(settings: Settings, java: Path) -> None:
    """Writes the configuration of both and, the first time, formats the NameNode's storage.

    Raises:
        UserError: the storage could not be formatted.
    """
    home = settings.data_dir / "hdfs"
    conf = home / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "log4j2.properties").write_text(jvm.LOG4J)
    _write_site(conf / "core-site.xml", _core_site(settings))
    _write_site(conf / "hdfs-site.xml", _hdfs_site(settings))
    if (home / "name" / "current" / "VERSION").exists():
        return
    format_ = [*_java(settings, java), _NAMENODE, "-format", "-force", "-nonInteractive"]
    run = subprocess.run(format_, capture_output=True, text=True, check=False)
    if run.returncode:
        reason = (run.stderr or run.stdout).strip().splitlines() or ["no output"]
        raise UserError(f"HDFS's storage in {home} could not be formatted: {reason[-1]}")


def _java(settings: Settings, java: Path) -> list[str]:
    classpath = [settings.data_dir / "hdfs" / "conf", *jars.classpath("hdfs"), *map(jars.pyspark_jar, _FROM_PYSPARK)]
    return jvm.command(java, settings.hdfs_heap_mb, classpath)


def _core_site(settings: Settings) -> dict[str, str | Path]:
    return {
        "fs.defaultFS": f"hdfs://127.0.0.1:{settings.ports['namenode']}",
        "hadoop.tmp.dir": settings.data_dir / "hdfs" / "tmp",
        # Who comes by WebHDFS as `shopnow` may do what the owner of the processes may.
        "hadoop.user.group.static.mapping.overrides": "shopnow=shopnow;dr.who=;",
    }


def _hdfs_site(settings: Settings) -> dict[str, str | int | Path]:
    home, ports = settings.data_dir / "hdfs", settings.ports
    return {
        "dfs.namenode.name.dir": home / "name",
        "dfs.datanode.data.dir": home / "blocks",
        "dfs.namenode.http-address": f"127.0.0.1:{ports['namenode_http']}",
        "dfs.namenode.rpc-bind-host": "127.0.0.1",
        "dfs.datanode.address": f"127.0.0.1:{ports['datanode']}",
        "dfs.datanode.http.address": f"127.0.0.1:{ports['datanode_http']}",
        "dfs.datanode.ipc.address": f"127.0.0.1:{ports['datanode_ipc']}",
        "dfs.datanode.hostname": "127.0.0.1",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.webhdfs.enabled": "true",
        "dfs.replication": 1,
        "dfs.permissions.superusergroup": "shopnow",
        # One small machine: leave safe mode at once, notice a lost DataNode fast, close files without waiting on it.
        "dfs.namenode.safemode.extension": 0,
        "dfs.namenode.safemode.min.datanodes": 1,
        "dfs.heartbeat.interval": 1,
        "dfs.namenode.file.close.num-committed-allowed": 1,
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 20,
        "dfs.namenode.handler.count": 10,
        "dfs.datanode.handler.count": 10,
    }


def _write_site(path: Path, properties: dict) -> None:
    rows = "".join(f"<property><name>{name}</name><value>{escape(str(value))}</value></property>\n" for name, value in properties.items())
    path.write_text(f'<?xml version="1.0"?>\n<configuration>\n{rows}</configuration>\n')
