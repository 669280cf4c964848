"""Identity of deduplication keys: which spellings of file names, suppliers and note numbers are the same.

Receipts keep the keys as they were spelled, so that those of earlier versions are compared in the same way.
"""

import unicodedata
from urllib.parse import quote, unquote


def content(digest: str) -> str:
    return f"content/{digest}"


def file(name: str) -> str:
    return f"file/{name}"


def note(supplier: str, number: str) -> str:
    return f"note/{quote(supplier, safe=' ')}/{number}"


def identity(key: str) -> str:
    """Return the form of a key that is the same for all of its spellings.

    File names compare after Unicode normalization; suppliers and note numbers also without regard to case,
    blanks and compatibility characters: a supplier types the same number in several ways, and a note that is
    rejected as a duplicate is seen, while goods that are counted twice are not.
    """
    kind, _, text = key.partition("/")
    if kind == "file":
        return file(unicodedata.normalize("NFC", text))
    if kind == "note":
        supplier, _, number = text.partition("/")
        return note(_fold(unquote(supplier)), _fold(number))
    return key


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Case folding can leave a text that is not normalized.
    return " ".join(unicodedata.normalize("NFKC", folded).split())
