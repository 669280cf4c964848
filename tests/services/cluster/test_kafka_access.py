"""The users of the cluster's Kafka, on a broker with its security: each can do its work, and no more."""

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AclOperation, NewTopic, ResourceType

from shopnow.alerts.stock_watcher import StockTopic, Thresholds
from shopnow.broker import client, held_back, reader, topic_state, topics
from shopnow.cluster import (
    kafka_users,
    probes,
    tools,
)
from shopnow.cluster.services import Container
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.ids import uuid7
from shopnow.lake.ingest.arrivals import Arrivals
from shopnow.local_stack import supervision
from shopnow.submission.service import submit
from shopnow.traffic.generate import generate
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes import order_form, payable_orders
from shopnow_tab_app.routes.order_form import NewOrder, NewPayment
from shopnow_tab_app.sources.topic_tail import TopicTail
from support.local_replica import local_replica
from support.secured_broker import Conf, conf_of, secured_broker

TIMEOUT_SECONDS = 20.0


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with secured_broker(tmp_path_factory.mktemp("secured")) as container:
        yield container


def test_pipeline_sends_traffic_and_batches_and_reads_topics_and_settings(container):
    conf = conf_of(container, "pipeline")
    generate(conf, "run", sessions=30, seed=1)
    cancelled = b'{"event_type": "order_cancelled", "order_id": "o-1", "reason": "changed_mind"}'
    for batch in ("cli/1", "send_events/run"):
        assert submit(conf, batch, cancelled, datetime.now(UTC)).sent
    assert read(conf, "orders")
    assert read(conf, topics.LEDGER)
    assert topics.compacted(conf, TOPICS) == frozenset()
    assert topics.read_retention(conf, TOPICS).keys() == set(TOPICS)
    assert held_back.read(conf, TOPICS) == []


def test_tab_sends_orders_and_payments_and_shows_the_latest_events(container, local_lake):
    conf = conf_of(container, "tab")
    replica = LakeReplica(lambda: local_lake, tables.COPIES, tables.DERIVED, lambda: conf)
    order = order_form.place_order(conf, NewOrder(request_id=new_request_id()))
    payment = NewPayment(request_id=new_request_id(), order_id=order.subject, method="card")

    def is_known() -> bool:
        replica.state(payable_orders.TABLES)
        return bool(replica.query("FROM orders_now WHERE order_id = ?", [order.subject]))

    try:
        assert supervision.wait_until(is_known, TIMEOUT_SECONDS)
        assert order_form.pay(conf, replica, payment).cents == order.cents
    finally:
        replica.close()
    tail = TopicTail(lambda: conf)
    supervision.wait_until(lambda: len(tail.newest(100)) >= 2, TIMEOUT_SECONDS)
    assert {"orders", "payments"} <= {event.topic for event in tail.newest(100)}
    assert tail.error is None


def test_trigger_compares_all_topics_with_the_lake(container, tmp_path):
    names = [
        name
        for name, state in topic_state.describe(conf_of(container, "admin"), TOPICS).items()
        if any(state.end_offsets.values())
    ]
    watch = Arrivals(conf_of(container, "triggers"), tmp_path.as_uri())
    assert watch.check() == sorted(names)


def test_tab_shows_what_the_topics_hold_beyond_the_lake(container, tmp_path):
    order = order_form.place_order(conf_of(container, "tab"), NewOrder(request_id=new_request_id()))
    with local_replica(tmp_path.as_uri(), tmp_path, conf=conf_of(container, "tab")) as replica:

        def orders() -> list[dict]:
            replica.state(["events/orders"])
            return replica.query('SELECT order_id FROM "events/orders" WHERE provisional')

        assert supervision.wait_until(lambda: {"order_id": order.subject} in orders(), TIMEOUT_SECONDS)


def test_trigger_tails_the_stock_topic(container):
    topic = StockTopic(conf_of(container, "triggers"), Thresholds(frozenset({5}), {}))
    try:
        # The client reports that it may not look up its group some time after the first records.
        for _ in range(3):
            topic.wait(1.0)
    finally:
        topic.close()


def test_metrics_exporter_reads_positions(container):
    assert topic_state.describe(conf_of(container, "metrics"), TOPICS).keys() == set(TOPICS)


def test_service_monitor_sees_the_broker(container):
    assert probes.kafka("localhost", "monitor")


def test_admin_tools_log_in_with_any_password(container):
    tool = tools.TOOLS["kafka-topics"]
    tool.prepare(container)
    listed = subprocess.run(
        [*tool.command(container), "--list"], capture_output=True, text=True, check=True
    ).stdout
    assert set(TOPICS) <= set(listed.split())


def read(conf: Conf, topic: str) -> list[bytes | None]:
    """Return the values of a topic."""
    ranges = topic_state.describe(conf, [topic])[topic].partitions
    return [value for chunk in reader.read(conf, topic, ranges) for value in chunk.values]


def fetch(conf: Conf, topic: str) -> None:
    """Fetch the first record of a topic that the user may describe."""
    consumer = Consumer({**conf, "group.id": reader.GROUP, "auto.offset.reset": "earliest"})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(TIMEOUT_SECONDS)
        assert message is not None, "no answer"
        if message.error() and message.error().code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            message = consumer.poll(TIMEOUT_SECONDS)
        if message.error():
            raise KafkaException(message.error())
    finally:
        consumer.close()


def write(conf: Conf, topic: str) -> None:
    errors = []
    producer = Producer({**conf, "message.timeout.ms": int(TIMEOUT_SECONDS * 1000)})
    producer.produce(topic, b"{}", on_delivery=lambda error, message: errors.append(error))
    producer.flush(TIMEOUT_SECONDS)
    if errors[0]:
        raise KafkaException(errors[0])


def use_transactional_id(conf: Conf, name: str) -> None:
    Producer({**conf, "transactional.id": name}).init_transactions(TIMEOUT_SECONDS)


def join_group(conf: Conf, name: str) -> None:
    consumer = Consumer({**conf, "group.id": name})
    try:
        consumer.subscribe(["stock"])
        message = consumer.poll(TIMEOUT_SECONDS)
        if message is not None and message.error():
            raise KafkaException(message.error())
    finally:
        consumer.close()


def create_topic(conf: Conf, name: str) -> None:
    topics.create(conf, [NewTopic(name, 1)])


def delete_topic(conf: Conf, name: str) -> None:
    admin = client.admin_client(conf)  # must outlive the future
    admin.delete_topics([name])[name].result(TIMEOUT_SECONDS)


def set_retention(conf: Conf, name: str) -> None:
    topics.set_retention(conf, [name], 1)


def read_retention(conf: Conf, name: str) -> None:
    topics.read_retention(conf, [name])


def describe(conf: Conf, name: str) -> None:
    topic_state.describe(conf, [name])


DENIED: list[tuple[str, Callable[[Conf, str], object], str]] = [
    ("pipeline", use_transactional_id, "shopnow-send-shopnow_tab/1"),
    ("pipeline", use_transactional_id, "shopnow"),
    ("pipeline", join_group, reader.GROUP),
    ("pipeline", create_topic, "another"),
    ("pipeline", delete_topic, "stock"),
    ("pipeline", set_retention, "stock"),
    ("pipeline", read_retention, topics.LEDGER),
    ("tab", write, "stock"),
    ("tab", write, "deliveries"),
    ("tab", write, topics.LEDGER),
    ("tab", describe, topics.LEDGER),
    ("tab", read_retention, "orders"),
    ("tab", use_transactional_id, "shopnow-traffic"),
    ("tab", use_transactional_id, "shopnow-send-cli/1"),
    ("tab", join_group, "shopnow-tab"),
    ("triggers", describe, topics.LEDGER),
    ("triggers", read, "orders"),
    ("triggers", write, "stock"),
    ("triggers", read_retention, "stock"),
    ("triggers", use_transactional_id, "shopnow-traffic"),
    ("metrics", fetch, "orders"),
    ("metrics", write, "orders"),
    ("metrics", describe, topics.LEDGER),
    ("monitor", describe, "stock"),
    ("monitor", write, "stock"),
]


@pytest.mark.parametrize(("user", "attempt", "name"), DENIED)
def test_user_may_do_nothing_else(container, user, attempt, name):
    with pytest.raises((KafkaException, UserError), match=r"(?i)authoriz|has no topic"):
        attempt(conf_of(container, user), name)


def test_acls_of_an_earlier_version_are_deleted_but_not_those_of_others(container):
    conf, tab = conf_of(container, "admin"), conf_of(container, "tab")
    wide, foreign = (
        kafka_users._binding(user, ResourceType.TRANSACTIONAL_ID, "shopnow", AclOperation.WRITE)
        for user in ("tab", "someone-else")
    )
    admin = client.admin_client(conf)
    for future in admin.create_acls([wide, foreign]).values():
        future.result()
    use_transactional_id(tab, "shopnow")
    kafka_users.set_acls(conf)
    with pytest.raises(KafkaException, match=r"(?i)authoriz"):
        use_transactional_id(tab, "shopnow")
    remaining = admin.describe_acls(kafka_users.EVERY_ACL).result()
    assert set(remaining) == {*kafka_users.acls(), foreign}


def new_request_id() -> str:
    return uuid7(time.time_ns() // 1_000_000, secrets.token_hex(16))
