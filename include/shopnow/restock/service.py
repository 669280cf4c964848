"""Receive delivery notes: add their goods to the stock once, and archive each file with its outcome."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from shopnow.broker.client import Conf
from shopnow.failpoints import failpoint
from shopnow.restock import delivery_note
from shopnow.restock.delivery_note import InvalidNote
from shopnow.restock.inbox import Inbox
from shopnow.traffic import restock_simulation
from shopnow.traffic.restock_simulation import Delivery, Outcome

RECEIVED, ALREADY_RECEIVED, REJECTED = "received", "counted before", "rejected"

_KEY_NAMES = {"file": "file name", "note": "supplier and note number"}


class FiledNote(NamedTuple):
    """An archived file and its outcome."""

    file: str
    outcome: str
    """`RECEIVED`, `ALREADY_RECEIVED` (the same content was received before) or `REJECTED`."""
    detail: str
    """Stock of each product after the delivery, time of the earlier receipt, or reason of the rejection."""
    path: str
    """Where the file is now."""


def receive(conf: Conf, inbox: Inbox, run_id: str) -> list[FiledNote]:
    """Receive all pending delivery notes.

    Idempotent: killed anywhere and called again, it receives each note once.

    Raises:
        UserError, KafkaException: see `restock_simulation.receive`; the notes stay where they are.
        HdfsError, OSError: HDFS refuses or does not answer.
    """
    filed, files, deliveries = [], [], []
    for name in inbox.pending():
        inbox.claim(name)
        data = inbox.read(name, delivery_note.MAX_BYTES + 1)
        digest = hashlib.sha256(data).hexdigest()
        try:
            note = delivery_note.parse(data)
        except InvalidNote as error:
            filed.append(_reject(inbox, name, digest, str(error)))
            continue
        files.append((name, digest))
        # The content's key comes first, so that an identical file is recognized as such.
        dedup_keys = (
            f"content/{digest}",
            f"file/{name}",
            f"note/{quote(note.supplier, safe=' ')}/{note.number}",
        )
        deliveries.append(Delivery(dedup_keys, note.items))
    failpoint("restock:read")
    outcomes = restock_simulation.receive(conf, f"receive_restock/{run_id}", deliveries) if deliveries else []
    return filed + [_archive(inbox, *file, outcome) for file, outcome in zip(files, outcomes, strict=True)]


def _archive(inbox: Inbox, name: str, digest: str, outcome: Outcome) -> FiledNote:
    receipt = outcome.receipt
    if receipt is None:
        return _reject(inbox, name, digest, "\n".join(outcome.rejections))
    received_at = datetime.fromtimestamp(receipt.at / 1000, UTC).isoformat(" ", "seconds")
    if outcome.duplicate_key and outcome.duplicate_key != f"content/{digest}":
        kind, _, key = outcome.duplicate_key.partition("/")
        file_key = next(dedup_key for dedup_key in receipt.dedup_keys if dedup_key.startswith("file/"))
        return _reject(
            inbox,
            name,
            digest,
            f"a delivery with the same {_KEY_NAMES[kind]} ({key}) and other content was received on "
            f"{received_at} from {file_key.removeprefix('file/')}; "
            f"if this is another delivery, give it another {_KEY_NAMES[kind]}",
        )
    stock = ", ".join(f"{product_id}: {quantity}" for product_id, quantity in receipt.stock_after.items())
    path = inbox.archive(name, digest, "done")
    return (
        FiledNote(name, ALREADY_RECEIVED, f"on {received_at}", path)
        if outcome.duplicate_key
        else FiledNote(name, RECEIVED, stock, path)
    )


def _reject(inbox: Inbox, name: str, digest: str, reason: str) -> FiledNote:
    return FiledNote(name, REJECTED, reason, inbox.archive(name, digest, "rejected", reason))
