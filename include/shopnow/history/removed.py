"""Result of removing folders or files."""

from typing import NamedTuple


class Removed(NamedTuple):
    items: int
    """Number of folders or files."""
    bytes: int
