"""Dates of a KPI that must be recomputed, and the dates of its sources that this requires."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from shopnow.dates import add_days_clamped, end_of_month, month_of
from shopnow.kpis.definition import Kpi, Source

Dates = Mapping[str, Collection[date]]
"""Dates by table name."""


def affected(kpi: Kpi, changed: Dates, known: Collection[date]) -> set[date]:
    """Return the `known` dates whose rows may change because rows of the sources `changed`."""
    affected_days: set[date] = set()
    for source in kpi.sources:
        for day in changed.get(source.table, ()):
            first, last = (
                month_of(day) if kpi.is_monthly else add_days_clamped(day, -source.forward),
                add_days_clamped(day, source.back),
            )
            affected_days.update(
                known_day
                for known_day in known
                if first <= known_day and (source.is_cumulative or known_day <= last)
            )
    return affected_days


def kpi_dates(kpi: Kpi, days: Iterable[date]) -> set[date]:
    """Return the partition dates of a KPI for these days."""
    return {month_of(day) if kpi.is_monthly else day for day in days}


def source_dates(kpi: Kpi, source: Source, selected: Iterable[date], known: Iterable[date]) -> list[date]:
    """Return the `known` dates of a source that the KPI's rows of the `selected` dates depend on."""
    spans = [
        (
            add_days_clamped(day, -source.back),
            add_days_clamped(end_of_month(day) if kpi.is_monthly else day, source.forward),
        )
        for day in selected
    ]
    return sorted(day for day in known if any(first <= day <= last for first, last in spans))
