"""What the ledger tells of is looked for in Kafka wherever the ledger says it is."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from shopnow.audit import ledger_topics
from shopnow.audit.context import LEDGER, Difference, Evidence
from shopnow.audit.kpi_oracle import KpiSettings
from shopnow.broker.topic_state import TopicState
from shopnow.traffic import ledger


def test_a_partition_missing_in_kafka_is_named() -> None:
    schema = pa.schema([ledger.SCHEMA.field(name) for name in LEDGER])
    row = {
        "topic": "orders",
        "topic_id": "id",
        "partition": 1,
        "offset": 0,
        "key": b"k",
        "payload_hash": bytes(16),
        "event_id": "e",
    }
    ledger_rows = pa.Table.from_pylist(
        [row | {"event_type": "order_placed", "event_time": datetime(2026, 11, 1, tzinfo=UTC)}], schema
    )
    topics = {"orders": TopicState("orders", "id", {0: (0, 0)})}
    evidence = Evidence(
        {}, "", {}, {}, {}, [], ledger_rows, topics, KpiSettings(0.95, 2.0), lambda subject, what: None
    )
    with pytest.raises(Difference, match=r"^orders: partition 1 is in the ledger, not in Kafka$"):
        ledger_topics.check(evidence)
