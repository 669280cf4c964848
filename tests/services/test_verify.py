"""`verify` holds on a sound pipeline, and names the first difference as soon as one side is touched."""

import uuid
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from deltalake import DeltaTable, write_deltalake

from shopnow import validation
from shopnow.audit import audit_log, records
from shopnow.audit.verify import CHECKS, verify
from shopnow.broker import reader, topic_state, topics
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.governance import erasure
from shopnow.lake.ingest import data_loss, landing
from shopnow.lake.ingest.data_loss import Acknowledgement, UnacknowledgedLoss
from shopnow.traffic import ledger, run_totals
from shopnow.traffic.faults import MALFORMED
from shopnow.traffic.generate import generate
from shopnow.traffic.ledger_totals import DUPLICATE
from shopnow.traffic.run_config import Faults
from shopnow.traffic.state_reader import PRODUCER_HEADER

TROUBLE = Faults(
    late=0.1, duplicate=0.1, out_of_order=0.1, malformed=0.05, schema_v1=0.3, clock_skew_seconds=60
)


@pytest.fixture(scope="module")
def pipeline(conf: dict[str, str], hdfs: str, refresh: Callable) -> tuple[dict, str]:
    """Kafka and a lake whose KPIs hold traffic with faults and records of another producer."""
    lake = f"{hdfs}/{uuid.uuid4()}"
    generate(conf, f"verify-{uuid.uuid4()}", sessions=150, seed=3, faults=TROUBLE)
    send(conf, "orders", b"not an event")
    for topic in TOPICS.values():
        landing.land(conf, lake, topic)
    refresh(lake)
    return conf, lake


def send(conf: dict, topic: str, value: bytes, **more) -> None:
    producer = Producer(conf)
    producer.produce(topic, value, **more)
    assert producer.flush(30) == 0


def of_all(conf: dict) -> tuple[int, int]:
    """Count invalid and duplicate records in Kafka, of all producers, as other tests send some too."""
    bad, repeated = 0, 0
    for name, state in topic_state.describe(conf, TOPICS).items():
        ids = []
        for chunk in reader.read(conf, name, state.partitions):
            values = chunk.values
            problems = validation.check_records(
                TOPICS[name].decoder().decode,
                values,
                pa.array(values, pa.binary()),
                chunk.headers,
                chunk.timestamps,
            ).problems or [None] * len(values)
            ids += [
                TOPICS[name].decoder().decode(value).event_id
                for value, problem in zip(values, problems, strict=True)
                if not problem
            ]
            bad += sum(problem is not None for problem in problems)
        repeated += len(ids) - len(set(ids))
    return bad, repeated


def broken(pipeline: tuple[dict, str]) -> dict[str, str]:
    """The checks that do not hold, with what they say."""
    checks = verify(*pipeline)
    assert [check.check for check in checks] == list(CHECKS)
    return {check.check: check.detail for check in checks if not check.ok}


def test_holds_also_while_more_comes(pipeline):
    conf, lake = pipeline
    assert broken(pipeline) == {}
    bad, repeated = of_all(conf)  # before there is more than what the events were made from
    generate(conf, f"verify-{uuid.uuid4()}", sessions=20, seed=4)
    landing.land(conf, lake, TOPICS["payments"])
    checks = {check.check: check for check in verify(conf, lake)}
    assert all(check.ok for check in checks.values())
    faults = run_totals.combine(run_totals.read_runs(conf).runs).totals.faults
    malformed = sum(faults.get(fault, 0) for fault in MALFORMED)
    assert 0 < malformed < bad
    assert faults[DUPLICATE]
    detail = checks["raw = events + quarantine + duplicates"].detail
    assert f"{bad:,} records in quarantine, {repeated:,} duplicates" in detail
    assert f"{malformed} were malformed on purpose" in checks["ledger = events"].detail


def test_a_malformed_record_that_became_an_event_is_named_unless_it_was_corrected(pipeline, touched):
    conf, _ = pipeline
    rows = ledger.read(conf).filter(pc.field("topic") == "views")
    spoilt = next(row for row in rows.to_pylist() if row["fault"] in MALFORMED)
    table = touched("events/views")
    row = tables.read(table).slice(0, 1)
    for name, value in (
        ("event_id", spoilt["event_id"]),
        *((f"source_{name}", spoilt[name]) for name in records.RECORD_ID),
    ):
        row = row.set_column(
            row.schema.get_field_index(name), name, pa.array([value], row.schema.field(name).type)
        )
    write_deltalake(table, row, mode="append")
    assert "views: " in broken(pipeline)["ledger = events"]
    assert "malformed on purpose, yet" in broken(pipeline)["ledger = events"]


def test_holds_after_a_customer_was_forgotten(pipeline):
    conf, lake = pipeline
    delivered = tables.read(Table(lake, "events/deliveries").open(), ["order_id"])["order_id"][0].as_py()
    orders = tables.read(Table(lake, "events/orders").open(), ["order_id", "customer_id"]).to_pylist()
    customer = next(
        row["customer_id"] for row in orders if row["order_id"] == delivered and row["customer_id"]
    )
    erased = {result.table for result in erasure.erase_customer(lake, customer, why="asked", by="me")}
    assert {"raw/orders", "raw/deliveries", "raw/views"} <= erased
    assert broken(pipeline) == {}
    assert (
        "personal data erased" in {check.check: check.detail for check in verify(conf, lake)}["topics = raw"]
    )
    assert topics.read_retention(conf, ["orders"]) == {"orders": topics.RETENTION_DAYS}


@pytest.fixture
def touched(pipeline):
    """Puts a table back as it was after a test has changed it by hand."""
    versions: dict[str, int] = {}

    def touch(name: str) -> DeltaTable:
        table = Table(pipeline[1], name).open()
        versions[name] = table.version()
        return table

    yield touch
    for name, version in versions.items():
        Table(pipeline[1], name).open().restore(version)


def test_a_lost_raw_row_is_named(pipeline, touched):
    table = touched("raw/orders")
    row = tables.read(table, ["partition", "offset"]).slice(0, 1).to_pylist()[0]
    table.delete(f'partition = {row["partition"]} AND "offset" = {row["offset"]}')
    broken_checks = broken(pipeline)
    assert (
        f"orders: partition {row['partition']} offset {row['offset']} is in Kafka, "
        "but missing or different in raw" in broken_checks["topics = raw"]
    )
    assert f"orders partition {row['partition']}" in broken_checks["raw = receipts"]


def test_a_lost_raw_row_is_named_though_personal_data_was_erased_from_it(pipeline, touched):
    table = touched("raw/orders")
    rows = tables.read(table, ["partition", "offset", "value"]).to_pylist()
    row = next(row for row in rows if b'"address":"erased"' in row["value"])
    table.delete(f'partition = {row["partition"]} AND "offset" = {row["offset"]}')
    assert (
        f"orders: partition {row['partition']} offset {row['offset']} is in Kafka, "
        "but missing or different in raw" in broken(pipeline)["topics = raw"]
    )


def test_a_doubled_raw_row_is_named(pipeline, touched):
    table = touched("raw/payments")
    rows = tables.read(table)
    write_deltalake(table, rows.slice(0, 1), mode="append")
    broken_checks = broken(pipeline)
    assert "payments" in broken_checks["topics = raw"]
    assert "payments" in broken_checks["raw = receipts"]


def test_a_changed_figure_is_named_to_the_cent_and_put_on_record(pipeline, touched):
    conf, lake = pipeline
    assert audit_log.latest(lake) is None
    assert audit_log.record(lake, verify(conf, lake), "first").verdict == audit_log.HOLDS
    touched("kpi/sales_daily").update({"paid_cents": "paid_cents + 1"})
    audit = audit_log.record(lake, verify(conf, lake), "second")
    assert audit.verdict == "events = KPIs"
    assert "paid_cents" in audit.broken[0].detail
    assert audit_log.latest(lake) == audit


def test_what_is_acknowledged_as_lost_is_not_missed_and_the_kpis_say_so(pipeline, refresh):
    conf, lake = pipeline
    generate(conf, f"verify-{uuid.uuid4()}", sessions=20, seed=6)
    admin = AdminClient(conf)
    places = [
        TopicPartition("payments", partition)
        for partition in topic_state.describe(conf, ["payments"])["payments"].partitions
    ]
    ends = admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()))
    truncated_offsets = [
        TopicPartition("payments", place.partition, future.result().offset) for place, future in ends.items()
    ]
    for future in admin.delete_records(truncated_offsets).values():
        future.result()
    with pytest.raises(UnacknowledgedLoss):
        landing.land(conf, lake, TOPICS["payments"])
    for topic in TOPICS.values():
        landing.land(conf, lake, topic, acknowledgement=Acknowledgement("a test", "me"))
    refresh(lake)
    checks = {check.check: check for check in verify(conf, lake)}
    assert [check for check in checks.values() if not check.ok] == []
    assert "more are acknowledged as lost" in checks["ledger = events"].detail
    assert "acknowledged losses" in checks["raw = receipts"].detail

    known = {loss.id: loss.missing_rows for loss in data_loss.read(lake)}
    rows = tables.read(Table(lake, "kpi/sales_daily").open(), ["missing_rows", "losses"]).to_pylist()
    assert all(row["missing_rows"] == sum(known[id_] for id_ in row["losses"]) for row in rows)
    assert set().union(*(row["losses"] for row in rows)) == set(known)


def test_another_producer_with_the_generators_header_is_another_producer(pipeline):
    conf, _ = pipeline
    for partition in topic_state.describe(conf, ["views"])["views"].partitions:
        send(conf, "views", b"forged", key=b"k", headers=[PRODUCER_HEADER], partition=partition)
    # The ledger has to come past it.
    generate(conf, f"verify-{uuid.uuid4()}", sessions=50, seed=6)
    checks = {check.check: check for check in verify(*pipeline)}
    assert checks["ledger = topics"].ok, checks["ledger = topics"].detail
    assert "records of other producers among them" in checks["ledger = topics"].detail


# Last: what is in Kafka stays there.
def test_a_record_of_the_generators_that_the_ledger_does_not_know_is_named(pipeline):
    conf, _ = pipeline
    raw = tables.read(Table(pipeline[1], "raw/stock").open(), ["value", "key"]).slice(0, 1).to_pylist()[0]
    # Seen once the ledger has come past it, as it does on some of the partitions at least.
    for partition in topic_state.describe(conf, ["stock"])["stock"].partitions:
        send(conf, "stock", raw["value"], key=raw["key"], headers=[PRODUCER_HEADER], partition=partition)
    generate(conf, f"verify-{uuid.uuid4()}", sessions=50, seed=5)
    assert "stock: " in broken(pipeline)["ledger = topics"]
