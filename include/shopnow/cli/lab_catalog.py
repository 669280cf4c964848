"""The labs, read from their pages in `docs/labs/` and their folders in `labs/`."""

import re
from pathlib import Path
from typing import NamedTuple

from shopnow.errors import UserError
from shopnow.settings import ROOT


class Lab(NamedTuple):
    """A lab: its page has the steps, its folder the check and the solution."""

    number: int
    title: str
    minutes: int
    goal: str
    page: Path
    folder: Path

    @property
    def patch(self) -> Path | None:
        """The change of the code that solves the lab; None if it needs none."""
        return _existing(self.folder / "solution.patch")

    @property
    def script(self) -> Path | None:
        """The program that solves the lab on running services; None if it needs none."""
        return _existing(self.folder / "solution.py")


def labs(root: Path = ROOT) -> list[Lab]:
    """Return the labs of a checkout, by number."""
    return [_read(page, root) for page in sorted((root / "docs" / "labs").glob("[0-9][0-9]-*.md"))]


def find(number: int) -> Lab:
    """Return the lab of this number.

    Raises:
        UserError: there is no such lab.
    """
    numbered = {lab.number: lab for lab in labs()}
    if number not in numbered:
        raise UserError(f"no lab {number}; expected 1 to {max(numbered)}, as in ./shopnow lab list")
    return numbered[number]


def _read(page: Path, root: Path) -> Lab:
    text = page.read_text(encoding="utf-8")
    number, _, name = page.stem.partition("-")
    title = _match(page, text, rf"^# Lab {int(number)}: (.+)$")
    minutes = int(_match(page, text, r"^\*\*Time:\*\* (\d+) minutes"))
    goal = _match(page, text, r"^\*\*Goal:\*\* (.+)$")
    return Lab(int(number), title, minutes, goal, page, root / "labs" / name.replace("-", "_"))


def _match(page: Path, text: str, pattern: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise UserError(f"{page.name} has no line of the form {pattern}")
    return match[1]


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
