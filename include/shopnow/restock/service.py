"""Receive delivery notes: add their goods to the stock once, and archive each file with its outcome."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from hdfs.util import HdfsError

from shopnow.broker.client import Conf
from shopnow.failpoints import failpoint
from shopnow.restock import delivery_note
from shopnow.restock.delivery_note import InvalidNote
from shopnow.restock.inbox import ACCESS_DENIED, Inbox
from shopnow.text_format import one_line, printable
from shopnow.traffic import dedup_keys, restock_simulation
from shopnow.traffic.restock_simulation import Delivery, Outcome

RECEIVED, ALREADY_RECEIVED, REJECTED = "received", "counted before", "rejected"
POSTPONED = "postponed"

MAX_FILES = 500
"""Files received at once; the rest waits for the next run."""

_log = logging.getLogger(__name__)
_KEY_NAMES = {"file": "file name", "note": "supplier and note number"}


class FiledNote(NamedTuple):
    """A file and its outcome."""

    file: str
    outcome: str
    """`RECEIVED`, `ALREADY_RECEIVED` (the same content was received before), `REJECTED`, or `POSTPONED`: HDFS
    did not give or file it, so that the next run tries again."""
    detail: str
    """Stock of each product after the delivery, time of the earlier receipt, or reason of another outcome."""
    path: str
    """Where the file is now; empty if it is postponed."""


def receive(conf: Conf, inbox: Inbox, run_id: str) -> list[FiledNote]:
    """Receive the pending delivery notes, oldest first, at most `MAX_FILES`, orders that are due among them.

    Idempotent: killed anywhere and called again, it receives each note once. A file that HDFS does not give
    or file is postponed, and the others are received.

    Raises:
        UserError, KafkaException: see `restock_simulation.receive`; the notes stay where they are.
        HdfsError, OSError: HDFS does not list the files, or does not answer.
    """
    filed: list[FiledNote] = []
    files: list[tuple[str, str]] = []
    deliveries: list[Delivery] = []
    for name in islice(inbox.due(datetime.now(UTC)), MAX_FILES):
        with _postponed_on_failure(name, filed):
            inbox.release(name)
    for name in islice(inbox.pending(), MAX_FILES):
        with _postponed_on_failure(name, filed):
            result = _read(inbox, name)
            if isinstance(result, FiledNote):
                filed.append(result)
            else:
                digest, delivery = result
                files.append((name, digest))
                deliveries.append(delivery)
    failpoint("restock:read")
    outcomes = restock_simulation.receive(conf, f"receive_restock/{run_id}", deliveries) if deliveries else []
    for (name, digest), outcome in zip(files, outcomes, strict=True):
        with _postponed_on_failure(name, filed):
            filed.append(_archive(inbox, name, digest, outcome))
    return filed


@contextmanager
def _postponed_on_failure(name: str, filed: list[FiledNote]) -> Iterator[None]:
    """Add a file that HDFS refuses to `filed` as postponed; an HDFS that does not answer is no such case."""
    try:
        yield
    except HdfsError as error:
        reason = one_line(str(error), max_length=300)
        _log.warning("%s is postponed: %s", printable(name), reason)
        filed.append(FiledNote(name, POSTPONED, reason, ""))


def _read(inbox: Inbox, name: str) -> FiledNote | tuple[str, Delivery]:
    """Claim and parse a file: its digest and the delivery, or the rejected file."""
    inbox.claim(name)
    try:
        data = inbox.read(name, delivery_note.MAX_BYTES + 1)
    except HdfsError as error:
        if ACCESS_DENIED not in str(error):
            raise
        reason = f"the file cannot be read: {one_line(str(error), max_length=300)}; make it readable"
        return _reject(inbox, name, inbox.version(name), reason)
    # The rest of a file that is too large is not read, so its start would not tell it from another.
    is_whole = len(data) <= delivery_note.MAX_BYTES
    digest = hashlib.sha256(data).hexdigest() if is_whole else inbox.version(name)
    try:
        note = delivery_note.parse(data)
    except InvalidNote as error:
        return _reject(inbox, name, digest, str(error))
    # The content's key comes first, so that an identical file is recognized as such.
    keys = (dedup_keys.content(digest), dedup_keys.file(name), dedup_keys.note(note.supplier, note.number))
    return digest, Delivery(keys, note.items)


def _archive(inbox: Inbox, name: str, digest: str, outcome: Outcome) -> FiledNote:
    receipt = outcome.receipt
    if receipt is None:
        return _reject(inbox, name, digest, delivery_note.describe(list(outcome.rejections)))
    received_at = datetime.fromtimestamp(receipt.at / 1000, UTC).isoformat(" ", "seconds")
    if outcome.duplicate_key and outcome.duplicate_key != dedup_keys.content(digest):
        kind, _, key = outcome.duplicate_key.partition("/")
        file_key = next(dedup_key for dedup_key in receipt.dedup_keys if dedup_key.startswith("file/"))
        return _reject(
            inbox,
            name,
            digest,
            f"a delivery with the same {_KEY_NAMES[kind]} ({printable(key)}) and other content was "
            f"received on {received_at} from {printable(file_key.removeprefix('file/'))}; "
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
