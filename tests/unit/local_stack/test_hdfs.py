"""HDFS's configuration: what no one may turn on again without thought."""

from shopnow.local_stack import hdfs
from shopnow.settings import Settings


def test_a_file_is_not_closed_before_its_last_block_is_reported(tmp_path):
    # Of 1,000 files that were closed sooner and read at once, 2 were read as empty, without an error: a commit that is not seen.
    node = hdfs.local_node(Settings(data_dir=tmp_path))
    hdfs.configure(node)
    site = (node.home / "conf" / "hdfs-site.xml").read_text()
    assert "<name>dfs.replication</name><value>2</value>" in site
    assert "num-committed-allowed" not in site


def test_the_second_datanode_is_another(tmp_path):
    first, second = hdfs.local_node(Settings(data_dir=tmp_path)), hdfs.second_local_node(Settings(data_dir=tmp_path))
    assert first.home != second.home
    ports = {"datanode", "datanode_http", "datanode_ipc"}
    assert not {first.ports[name] for name in ports} & {second.ports[name] for name in ports}
    assert first.ports["namenode"] == second.ports["namenode"]
