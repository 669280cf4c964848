"""HDFS's configuration: settings that protect data must stay as they are."""

from shopnow.local_stack import hdfs
from shopnow.settings import Settings


def test_file_is_not_closed_before_its_last_block_is_reported(tmp_path):
    # With an earlier close, 2 of 1,000 files read at once were empty without an error: a lost commit.
    node = hdfs.local_node(Settings(data_dir=tmp_path))
    hdfs.configure(node)
    site = (node.home / "conf" / "hdfs-site.xml").read_text()
    assert "<name>dfs.replication</name><value>2</value>" in site
    assert "num-committed-allowed" not in site


def test_second_datanode_has_its_own_home_and_ports(tmp_path):
    first, second = (
        hdfs.local_node(Settings(data_dir=tmp_path)),
        hdfs.second_local_node(Settings(data_dir=tmp_path)),
    )
    assert first.home != second.home
    ports = {"datanode", "datanode_http", "datanode_ipc"}
    assert not {first.ports[name] for name in ports} & {second.ports[name] for name in ports}
    assert first.ports["namenode"] == second.ports["namenode"]
