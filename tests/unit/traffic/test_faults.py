"""Injected faults: their shares, their effects, and their description in the ledger."""

from collections import Counter, defaultdict

import msgspec
import pytest
import xxhash

from factories import shop_events
from factories.shop_events import NEW_YEAR, make_run
from shopnow.events import TOPICS, encode
from shopnow.traffic import faults
from shopnow.traffic.arrivals import DAY
from shopnow.traffic.faults import MALFORMED, corrupt
from shopnow.traffic.ledger_totals import DUPLICATE
from shopnow.traffic.run_config import Faults
from shopnow.traffic.simulation import Chunk
from shopnow.traffic.state import State

SHARES = {"late": 0.05, "out_of_order": 0.08, "duplicate": 0.1}


def records(chunks: list[Chunk]) -> list[dict]:
    """Return the ledger row of each record, with the record's value."""
    rows = [row for chunk in chunks for row in chunk.batch.rows.to_pylist()]
    values = [value for chunk in chunks for value in chunk.batch.values]
    return [{**row, "value": value} for row, value in zip(rows, values, strict=True)]


@pytest.fixture(scope="module")
def faulty() -> list[dict]:
    return records(
        shop_events.chunks(make_run(sessions=3000, faults=Faults(malformed=0.1, **SHARES)), per_chunk=500)
    )


def test_ledger_rows_describe_the_records_sent(faulty: list[dict]) -> None:
    for record in faulty:
        assert record["payload_hash"] == xxhash.xxh3_128_digest(record["value"])
        if record["fault"] not in MALFORMED:
            event = TOPICS[record["topic"]].decoder().decode(record["value"])
            assert (event.event_id, event.event_time) == (record["event_id"], record["event_time"])


def test_faults_have_the_configured_shares(faulty: list[dict]) -> None:
    counts = Counter(record["fault"] for record in faulty)
    events = len({record["event_id"] for record in faulty})
    malformed = sum(counts[fault] for fault in MALFORMED)
    # Records still held back at the end are missing: some of the late ones.
    assert malformed / events == pytest.approx(0.1, abs=0.01)
    assert counts["out_of_order"] / events == pytest.approx(SHARES["out_of_order"], abs=0.01)
    assert counts[DUPLICATE] / events == pytest.approx(SHARES["duplicate"], abs=0.01)
    assert 0.02 < counts["late"] / events < 0.05
    for fault in MALFORMED:
        assert counts[fault] / malformed == pytest.approx(1 / len(MALFORMED), abs=0.05)


def test_malformed_records_cannot_be_decoded(faulty: list[dict]) -> None:
    for record in faulty:
        if record["fault"] in MALFORMED:
            with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
                TOPICS[record["topic"]].decoder().decode(record["value"])


def test_every_event_type_can_be_corrupted_in_every_way() -> None:
    events = {type(event): event for event in shop_events.events(make_run(sessions=1000))}
    assert len(events) == sum(len(topic.types) for topic in TOPICS.values())
    for topic in TOPICS.values():
        for kind in topic.types:
            for fault in MALFORMED:
                with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
                    topic.decoder().decode(corrupt(encode(events[kind]), fault))


def test_duplicates_have_the_same_bytes_and_late_records_are_sent_once() -> None:
    state = State()
    config = {"sessions": 500, "faults": Faults(**SHARES)}
    sent = records(shop_events.chunks(make_run("first", **config), state))
    assert state.held
    sent += records(shop_events.chunks(make_run("second", sessions=20, start=NEW_YEAR + DAY, days=4), state))
    assert not state.held
    by_id: dict[str, list[dict]] = defaultdict(list)
    for record in sent:
        by_id[record["event_id"]].append(record)
    for copies in by_id.values():
        assert [record["fault"] for record in copies[1:]] == [DUPLICATE] * (len(copies) - 1)
        assert len(copies) <= 2
        assert len({record["value"] for record in copies}) == 1
    clean = shop_events.chunks(make_run("first", sessions=500))
    assert {value for chunk in clean for value in chunk.batch.values} <= {record["value"] for record in sent}


def test_late_and_out_of_order_records_are_sent_after_later_events() -> None:
    sent = records(shop_events.chunks(make_run(sessions=3000, faults=Faults(**SHARES))))
    delays: dict[str | None, list[float]] = defaultdict(list)
    latest = sent[0]["event_time"]
    for record in sent:
        latest = max(latest, record["event_time"])
        delays[record["fault"]].append((latest - record["event_time"]).total_seconds())
    assert min(delays["late"]) >= 600
    assert max(delays["late"]) > 6 * 3600
    assert sum(delay > 0 for delay in delays["out_of_order"]) / len(delays["out_of_order"]) > 0.95


def test_clock_skew_is_within_its_limit_and_constant_per_key() -> None:
    sent = records(shop_events.chunks(make_run(sessions=500, faults=Faults(clock_skew_seconds=30))))
    clean = records(shop_events.chunks(make_run(sessions=500)))
    skews: dict[bytes, set[int]] = defaultdict(set)
    for record, clean_record in zip(sent, clean, strict=True):
        skews[record["key"]].add(record["skew_ms"])
        assert (record["event_time"] - clean_record["event_time"]).total_seconds() * 1000 == record["skew_ms"]
    assert all(len(values) == 1 for values in skews.values())
    clocks = sorted(set.union(*skews.values()))
    assert (len(clocks), clocks[0], clocks[-1]) == (faults.SERVERS, -30_000, 30_000)


def test_schema_version_1_has_its_configured_share_and_no_coupon() -> None:
    events = shop_events.events(make_run(sessions=2000, faults=Faults(schema_v1=0.3)))
    versions = Counter(event.schema_version for event in events)
    assert versions[1] / len(events) == pytest.approx(0.3, abs=0.02)
    coupons = Counter(event.schema_version for event in events if getattr(event, "coupon", None))
    assert coupons.keys() == {2}
