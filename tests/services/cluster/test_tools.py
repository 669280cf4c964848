"""The commands of the cluster's Kafka and HDFS tools, on the jars that are installed."""

from pathlib import Path
from zipfile import ZipFile

from shopnow.cluster import tools


def test_main_class_of_every_tool_is_in_the_jars(container):
    for name in (*tools.KAFKA_TOOLS, *tools.HDFS_TOOLS):
        command = tools.TOOLS[name].command(container)
        jars = [Path(word) for word in command[command.index("-cp") + 1].split(":") if word.endswith(".jar")]
        main_class = next(word for word in command if word.startswith("org.apache.")).replace(".", "/")
        assert any(f"{main_class}.class" in ZipFile(jar).namelist() for jar in jars), name
