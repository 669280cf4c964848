"""Formatting of Kafka's storage."""

from shopnow.local_stack import jvm, kafka
from shopnow.settings import Settings


def has_leading_dash(broker: kafka.Broker) -> bool:
    return kafka.cluster_id(broker).startswith("-")


def test_the_cluster_id_may_have_a_leading_dash(storage, tmp_path):
    settings = Settings(data_dir=tmp_path)
    brokers = (kafka.local_broker(settings)._replace(controller_port=port) for port in range(9093, 20_000))
    broker = next(filter(has_leading_dash, brokers))
    kafka.prepare(broker, jvm.java_home(storage.data_dir))
    assert (
        f"cluster.id={kafka.cluster_id(broker)}\n" in (broker.home / "data" / "meta.properties").read_text()
    )
