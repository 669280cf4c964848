"""Damage files of a lake for the time of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

from shopnow.drills.file_damage import DAMAGES, Files


@contextmanager
def damaged(files: Files, path: str, damage: str) -> Iterator[None]:
    """Damage a file, and put it back on exit."""
    intact = files.read(path)
    DAMAGES[damage](files, path)
    try:
        yield
    finally:
        files.write(path, intact)
