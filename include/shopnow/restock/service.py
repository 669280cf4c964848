"""Delivery notes from the inbox to the shop's shelves, each counted once, and filed with what became of it."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from shopnow.broker.client import Conf
from shopnow.failpoints import reach
from shopnow.restock import delivery_note
from shopnow.restock.delivery_note import InvalidNote
from shopnow.restock.inbox import Inbox
from shopnow.traffic import restock_simulation
from shopnow.traffic.restock_simulation import Delivery, Outcome

RECEIVED, COUNTED_BEFORE, REJECTED = "received", "counted before", "rejected"


class Filed(NamedTuple):
    """A file and what became of it."""

    file: str
    outcome: str
    """`RECEIVED`, `COUNTED_BEFORE` (the very same note) or `REJECTED`."""
    detail: str
    """What is on the shelf of each product now, when it was counted, or why it was rejected."""
    path: str
    """Where it is now."""


def receive(conf: Conf, inbox: Inbox, run_id: str) -> list[Filed]:
    """Receive the deliveries of all notes that wait. Killed anywhere and called again, it counts none twice and forgets none.

    Raises:
        UserError, KafkaException: of `deliveries_received.receive`; the notes stay where they are.
        HdfsError, OSError: HDFS refuses or does not answer.
    """
    filed, files, deliveries = [], [], []
    for name in inbox.waiting():
        inbox.take(name)
        data = inbox.read(name, delivery_note.MAX_BYTES + 1)
        digest = hashlib.sha256(data).hexdigest()
        try:
            note = delivery_note.parse(data)
        except InvalidNote as error:
            filed.append(_reject(inbox, name, digest, str(error)))
            continue
        files.append((name, digest))
        # The first mark is the one by which the very same file is known again.
        deliveries.append(
            Delivery(
                (f"content/{digest}", f"file/{name}", f"note/{quote(note.supplier, safe=' ')}/{note.number}"),
                note.items,
            )
        )
    reach("restock:read")
    outcomes = restock_simulation.receive(conf, f"receive_restock/{run_id}", deliveries) if deliveries else []
    return filed + [_file(inbox, *file, outcome) for file, outcome in zip(files, outcomes, strict=True)]


def _file(inbox: Inbox, name: str, digest: str, outcome: Outcome) -> Filed:
    receipt = outcome.receipt
    if receipt is None:
        return _reject(inbox, name, digest, "\n".join(outcome.refused))
    received = datetime.fromtimestamp(receipt.at / 1000, UTC).isoformat(" ", "seconds")
    if outcome.known and outcome.known != f"content/{digest}":
        what, _, which = outcome.known.partition("/")
        earlier = next(mark for mark in receipt.marks if mark.startswith("file/")).removeprefix("file/")
        return _reject(
            inbox,
            name,
            digest,
            f"a delivery with the same {_NAMES[what]} ({which}) and other content was received on {received} from {earlier}; "
            f"if this is another one, give it another {_NAMES[what]}",
        )
    shelves = ", ".join(f"{product_id}: {quantity}" for product_id, quantity in receipt.shelves.items())
    path = inbox.file(name, digest, "done")
    return (
        Filed(name, COUNTED_BEFORE, f"on {received}", path)
        if outcome.known
        else Filed(name, RECEIVED, shelves, path)
    )


_NAMES = {"file": "file name", "note": "supplier and note number"}


def _reject(inbox: Inbox, name: str, digest: str, reason: str) -> Filed:
    return Filed(name, REJECTED, reason, inbox.file(name, digest, "rejected", reason))
