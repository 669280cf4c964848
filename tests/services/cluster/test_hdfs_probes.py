"""The probes of the cluster's containers understand HDFS."""

from shopnow.cluster import probes
from shopnow.local_stack import supervision


def test_namenode_and_datanode_are_healthy(storage, monkeypatch):
    monkeypatch.setattr(probes, "NAMENODE_PORT", storage.ports["namenode_http"])
    monkeypatch.setattr(probes, "DATANODE_PORT", storage.ports["datanode_http"])
    assert probes.namenode("127.0.0.1")
    assert supervision.wait_until(lambda: probes.datanode("127.0.0.1"), 30)
