"""Receipts of delivery notes that the shop has written, by which a test finds its own deliveries."""

import csv

import msgspec

from shopnow import connections
from shopnow.broker.topics import DELIVERY_NOTES
from shopnow.restock import proposals
from shopnow.settings import Settings
from shopnow.traffic import dedup_keys, state_reader
from shopnow.traffic.restock_simulation import Receipt


def approved_note(run_id: str, product_id: str, pieces: int) -> str:
    """Return the deduplication key of the delivery note of an approved proposal."""
    _, content = proposals.make_delivery_note(run_id, product_id, pieces)
    [note] = csv.DictReader(content.decode().splitlines())
    return dedup_keys.note(note["supplier"], note["note_number"])


def read(settings: Settings) -> dict[str, Receipt]:
    """Return the receipts by deduplication key."""
    records = state_reader.read(connections.kafka_conf(connections.load(settings)), DELIVERY_NOTES)
    return {key.decode(): msgspec.json.decode(value, type=Receipt) for key, value in records if value}
