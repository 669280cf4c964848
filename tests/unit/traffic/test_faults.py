"""What goes wrong on purpose goes wrong as often as asked, as said, and is known of each record."""

from collections import Counter, defaultdict

import msgspec
import pytest
import xxhash

from factories import shop_events
from factories.shop_events import NEW_YEAR, a_run
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
    """What the ledger is told of each record, and its value."""
    rows = [row for chunk in chunks for row in chunk.batch.told.to_pylist()]
    values = [value for chunk in chunks for value in chunk.batch.values]
    return [{**row, "value": value} for row, value in zip(rows, values, strict=True)]


@pytest.fixture(scope="module")
def troubled() -> list[dict]:
    return records(
        shop_events.chunks(a_run(sessions=3000, faults=Faults(malformed=0.1, **SHARES)), per_chunk=500)
    )


def test_the_ledger_is_told_what_is_sent(troubled: list[dict]) -> None:
    for record in troubled:
        assert record["payload_hash"] == xxhash.xxh3_128_digest(record["value"])
        if record["fault"] not in MALFORMED:
            event = TOPICS[record["topic"]].decoder().decode(record["value"])
            assert (event.event_id, event.event_time) == (record["event_id"], record["event_time"])


def test_shares_are_as_asked(troubled: list[dict]) -> None:
    found = Counter(record["fault"] for record in troubled)
    events = len({record["event_id"] for record in troubled})
    malformed = sum(found[fault] for fault in MALFORMED)
    # Records still held back at the end are not there yet: some of the late ones.
    assert malformed / events == pytest.approx(0.1, abs=0.01)
    assert found["out_of_order"] / events == pytest.approx(SHARES["out_of_order"], abs=0.01)
    assert found[DUPLICATE] / events == pytest.approx(SHARES["duplicate"], abs=0.01)
    assert 0.02 < found["late"] / events < 0.05
    for fault in MALFORMED:
        assert found[fault] / malformed == pytest.approx(1 / len(MALFORMED), abs=0.05)


def test_what_is_malformed_is_no_event(troubled: list[dict]) -> None:
    for record in troubled:
        if record["fault"] in MALFORMED:
            with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
                TOPICS[record["topic"]].decoder().decode(record["value"])


def test_every_event_type_can_be_malformed_in_every_way() -> None:
    events = {type(event): event for event in shop_events.events(a_run(sessions=1000))}
    assert len(events) == sum(len(topic.types) for topic in TOPICS.values())
    for topic in TOPICS.values():
        for kind in topic.types:
            for fault in MALFORMED:
                with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
                    topic.decoder().decode(corrupt(encode(events[kind]), fault))


def test_duplicates_are_the_same_bytes_again_and_late_ones_come_once() -> None:
    state = State()
    asked = {"sessions": 500, "faults": Faults(**SHARES)}
    sent = records(shop_events.chunks(a_run("first", **asked), state))
    assert state.held
    sent += records(shop_events.chunks(a_run("second", sessions=20, start=NEW_YEAR + DAY, days=4), state))
    assert not state.held
    seen: dict[str, list[dict]] = defaultdict(list)
    for record in sent:
        seen[record["event_id"]].append(record)
    for same in seen.values():
        assert [record["fault"] for record in same[1:]] == [DUPLICATE] * (len(same) - 1)
        assert len(same) <= 2
        assert len({record["value"] for record in same}) == 1
    clean = shop_events.chunks(a_run("first", sessions=500))
    assert {value for chunk in clean for value in chunk.batch.values} <= {record["value"] for record in sent}


def test_late_and_overtaken_records_come_after_what_happened_later() -> None:
    sent = records(shop_events.chunks(a_run(sessions=3000, faults=Faults(**SHARES))))
    behind: dict[str | None, list[float]] = defaultdict(list)
    latest = sent[0]["event_time"]
    for record in sent:
        latest = max(latest, record["event_time"])
        behind[record["fault"]].append((latest - record["event_time"]).total_seconds())
    assert min(behind["late"]) >= 600
    assert max(behind["late"]) > 6 * 3600
    assert sum(each > 0 for each in behind["out_of_order"]) / len(behind["out_of_order"]) > 0.95


def test_clocks_are_off_by_as_much_as_asked_and_always_the_same_for_a_key() -> None:
    sent = records(shop_events.chunks(a_run(sessions=500, faults=Faults(clock_skew_seconds=30))))
    clean = records(shop_events.chunks(a_run(sessions=500)))
    skews: dict[bytes, set[int]] = defaultdict(set)
    for record, sound in zip(sent, clean, strict=True):
        skews[record["key"]].add(record["skew_ms"])
        assert (record["event_time"] - sound["event_time"]).total_seconds() * 1000 == record["skew_ms"]
    assert all(len(each) == 1 for each in skews.values())
    clocks = sorted(set.union(*skews.values()))
    assert (len(clocks), clocks[0], clocks[-1]) == (faults.SERVERS, -30_000, 30_000)


def test_the_share_of_the_older_version_is_as_asked_and_it_has_no_coupon() -> None:
    events = shop_events.events(a_run(sessions=2000, faults=Faults(schema_v1=0.3)))
    versions = Counter(event.schema_version for event in events)
    assert versions[1] / len(events) == pytest.approx(0.3, abs=0.02)
    coupons = Counter(event.schema_version for event in events if getattr(event, "coupon", None))
    assert coupons.keys() == {2}
