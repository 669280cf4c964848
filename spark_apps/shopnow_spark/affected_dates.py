"""Which dates of a KPI have to be made anew, and which dates of its sources that takes."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from shopnow.dates import add_days_clamped, end_of_month, month_of
from shopnow.kpis.definition import Kpi, Source

Dates = Mapping[str, Collection[date]]
"""Dates by the name of a table."""


def dates(kpi: Kpi, changed: Dates, known: Collection[date]) -> set[date]:
    """The dates, of those `known`, whose rows may change as the sources' rows of the dates `changed` did."""
    found: set[date] = set()
    for source in kpi.sources:
        for day in changed.get(source.table, ()):
            first, last = (
                month_of(day) if kpi.monthly else add_days_clamped(day, -source.forward),
                add_days_clamped(day, source.back),
            )
            found.update(each for each in known if first <= each and (source.lasting or each <= last))
    return found


def of_kpi(kpi: Kpi, days: Iterable[date]) -> set[date]:
    """The dates under which a KPI may have rows of these days."""
    return {month_of(day) if kpi.monthly else day for day in days}


def needed(kpi: Kpi, source: Source, chosen: Iterable[date], known: Iterable[date]) -> list[date]:
    """The dates, of those `known` to a source, from which a KPI's rows of the `chosen` dates are made."""
    spans = [
        (
            add_days_clamped(day, -source.back),
            add_days_clamped(end_of_month(day) if kpi.monthly else day, source.forward),
        )
        for day in chosen
    ]
    return sorted(day for day in known if any(first <= day <= last for first, last in spans))
