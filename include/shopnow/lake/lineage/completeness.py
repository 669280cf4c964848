"""Whether all records are there that rows were to be made from, told from the losses on record."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from shopnow.dates import add_days_clamped, end_of_month
from shopnow.kpis import Kpi
from shopnow.lake.ingest.data_loss import Loss


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


def of_row(losses: Sequence[Loss], kpi: Kpi, day: date) -> Completeness:
    """What is missing from a KPI's row of a date, going by the dates of the events that such a row is made from."""
    back, forward = kpi.window
    first = date.min if back is None else add_days_clamped(day, -back)
    last = add_days_clamped(end_of_month(day) if kpi.monthly else day, forward)
    return complete_but_for(
        loss
        for loss in losses
        if (loss.from_time is None or loss.from_time.date() <= last)
        and (loss.to_time is None or first <= loss.to_time.date())
    )
