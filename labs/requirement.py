"""One requirement of a lab, as its check reports it."""

from typing import NamedTuple


class Requirement(NamedTuple):
    """A statement that is true once a step of the lab is done."""

    text: str
    is_met: bool
    next_step: str
    """What to do if it is not met."""
