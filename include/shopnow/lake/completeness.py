"""Whether all records are there that rows were to be made from, told from the losses on record."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from shopnow.lake.losses import Loss


class Completeness(NamedTuple):
    """How many rows may be missing, at most, and through which losses; None for a number nobody knows."""

    missing_rows: int | None
    losses: list[str]


def complete_but_for(losses: Iterable[Loss]) -> Completeness:
    """What is missing from rows that all these losses concern."""
    found = sorted(losses, key=lambda loss: loss.id)
    numbers = [loss.missing_rows for loss in found]
    known = [number for number in numbers if number is not None]
    return Completeness(sum(known) if len(known) == len(numbers) else None, [loss.id for loss in found])


def of_day(losses: Sequence[Loss], day: date) -> Completeness:
    """What is missing from rows made of the events of a day."""
    return complete_but_for(
        loss
        for loss in losses
        if (loss.from_time is None or loss.from_time.date() <= day) and (loss.to_time is None or day <= loss.to_time.date())
    )
