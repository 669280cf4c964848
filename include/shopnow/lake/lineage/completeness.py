"""Completeness of derived rows: recorded losses among the records they are derived from."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from shopnow.dates import add_days_clamped, end_of_month
from shopnow.kpis import Kpi
from shopnow.lake.ingest.data_loss import Loss


class Completeness(NamedTuple):
    """Upper bound on missing rows, None if unknown, and the ids of the losses."""

    missing_rows: int | None
    losses: list[str]


def summarize_losses(losses: Iterable[Loss]) -> Completeness:
    """Return the completeness of rows that all these losses affect."""
    ordered = sorted(losses, key=lambda loss: loss.id)
    bounds = [loss.missing_rows for loss in ordered if loss.missing_rows is not None]
    return Completeness(sum(bounds) if len(bounds) == len(ordered) else None, [loss.id for loss in ordered])


def for_row(losses: Sequence[Loss], kpi: Kpi, day: date) -> Completeness:
    """Return the completeness of a KPI's row of a date, by the dates of the events that it depends on."""
    back, forward = kpi.window
    first = date.min if back is None else add_days_clamped(day, -back)
    last = add_days_clamped(end_of_month(day) if kpi.is_monthly else day, forward)
    return summarize_losses(
        loss
        for loss in losses
        if (loss.from_time is None or loss.from_time.date() <= last)
        and (loss.to_time is None or first <= loss.to_time.date())
    )
