"""Which folders the services can work in.

Standard library only, as `./shopnow` uses it before it installs anything.
"""

import string
from pathlib import Path

_ALLOWED_PUNCTUATION = set("/._-+@=~() ")
_UNSUPPORTED = (set(string.printable) - set(string.ascii_letters + string.digits)) - _ALLOWED_PUNCTUATION
"""HDFS splits lists of folders at commas, Java classpaths at colons; the others are quotes, wildcards,
variables or comments to one of the services."""
_LAST_SUPPORTED = 0xD7FF
"""Java decodes a folder of its classpath wrongly that has a character of two UTF-16 units."""


def explain_unsupported(path: Path) -> str | None:
    """Return why the services cannot work in a folder; None if they can."""
    unsupported = sorted(
        {
            character
            for character in str(path)
            if character in _UNSUPPORTED or ord(character) > _LAST_SUPPORTED
        }
    )
    if not unsupported:
        return None
    shown = " ".join(repr(character) if character.isspace() else character for character in unsupported)
    return f"the path {str(path)!r} contains {shown}, which HDFS, Java or Spark would not take as a name"
