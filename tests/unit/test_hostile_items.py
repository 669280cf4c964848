"""The items of the storm: the same for the same seed, and judged by validation as they claim."""

from random import Random

import pytest

from factories import hostile_forms, hostile_notes, hostile_records, hostile_requests
from factories.hostile_damages import DAMAGES
from factories.hostile_notes import RECEIVED
from factories.hostile_records import Expected, HostileRecord
from shopnow import validation
from shopnow.events import TOPICS
from shopnow.record_problems import MAX_EVENT_BYTES
from shopnow.restock import delivery_note
from shopnow.restock.delivery_note import InvalidNote
from shopnow.restock.inbox import MAX_NAME_BYTES
from shopnow.traffic.catalogue import PRODUCTS
from shopnow_tab_app.app import create

COUNT = 4 * len(DAMAGES)
DECODERS = {name: topic.decoder().decode for name, topic in TOPICS.items()}


@pytest.fixture(scope="module")
def records() -> list[HostileRecord]:
    return hostile_records.generate(Random(7), COUNT)


def test_the_same_seed_gives_the_same_records(records):
    assert hostile_records.generate(Random(7), COUNT) == records
    assert len(records) == COUNT
    assert {record.topic for record in records} == set(TOPICS)
    ids = [record.event_id for record in records if record.expected == Expected.EVENT]
    assert len(set(ids)) == len(ids) > COUNT // 3


def test_records_are_valid_or_not_as_they_claim(records):
    for record in records:
        checked = validation.check_record(DECODERS[record.topic], record.value, record.headers)
        assert len(record.value or b"") <= MAX_EVENT_BYTES
        assert len(checked.problem or "") < 500
        if record.expected == Expected.EVENT:
            assert checked.problem is None, record
            assert checked.event.event_id == record.event_id
        elif record.expected == Expected.QUARANTINED:
            assert checked.problem is not None, record


def test_notes_are_valid_or_not_as_they_claim():
    notes = hostile_notes.generate(Random(7), 100)
    assert notes == hostile_notes.generate(Random(7), 100)
    assert len({note.name for note in notes}) == len(notes)
    for note in notes:
        assert len(note.name.encode()) <= MAX_NAME_BYTES
        try:
            products = {product for product, _ in delivery_note.parse(note.data).items}
        except InvalidNote:
            products = set()
        is_valid = bool(products) and products <= PRODUCTS.keys()
        assert is_valid == (note.folder == RECEIVED), note


def test_forms_and_requests_follow_from_the_seed():
    params = {
        "generate_traffic": {"sessions": {"type": ["null", "integer"], "minimum": 1}},
        "watch_stock": {},
    }
    forms = hostile_forms.refused(Random(7), params, 40)
    assert forms == hostile_forms.refused(Random(7), params, 40)
    assert len(forms) == 40
    accepted = hostile_forms.accepted(Random(7), 20)
    assert accepted == hostile_forms.accepted(Random(7), 20)
    openapi = create(conf=dict).openapi()
    requests = hostile_requests.generate(Random(7), openapi, 100)
    assert requests == hostile_requests.generate(Random(7), openapi, 100)
    assert len(requests) == 100
