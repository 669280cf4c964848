"""What people and other programs send: delivery notes, batches of events, requests."""

import re


def note_bytes_not_checked() -> None:
    """Control characters of a delivery note reach the CSV parser."""
    from shopnow.restock import delivery_note

    delivery_note._CONTROL_CHARACTER = re.compile(rb"(?!)")


def notes_identified_by_spelling() -> None:
    """A delivery note whose number is typed in another way is another note, and its goods count twice."""
    from shopnow.traffic import dedup_keys

    dedup_keys._fold = lambda text: text


def archive_names_not_shortened() -> None:
    """A delivery note is archived under its full name, whatever its length."""
    from shopnow.restock import inbox

    inbox.MAX_NAME_BYTES = 1 << 20
