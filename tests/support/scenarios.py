"""Independent scenarios in one computation, as planning a computation costs Spark far more than its rows.

Each scenario's events are moved by a multiple of `APART`, and its sessions, orders and deliveries get ids of
their own; the rows of the result are moved back. So KPIs must have a date and look back less than `APART`.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import msgspec
from pyspark.sql import DataFrame

from shopnow.events import Event

FIRST_DAY = date(2026, 10, 3)
"""Events of a scenario are at this date or later, but less than `APART` later."""
APART = timedelta(days=60)
IDS = ("session_id", "order_id", "delivery_id")


def move(scenarios: Iterable[Iterable[Event]]) -> list[Event]:
    """Return the events of all scenarios, those of each at their own dates and with their own ids."""
    return [_move(event, number) for number, events in enumerate(scenarios) for event in events]


def _move(event: Event, number: int) -> Event:
    fields = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if isinstance(value, datetime):
            assert FIRST_DAY <= event.event_time.date() < FIRST_DAY + APART
            fields[name] = value + number * APART
        elif value and name in IDS:
            fields[name] = f"{value}-{number}"
    return msgspec.structs.replace(event, **fields)


def rows_by_scenario(frame: DataFrame, scenarios: Mapping[str, object]) -> dict[str, list[dict]]:
    """Return the rows of a KPI by scenario, with their original dates as text."""
    rows: dict[str, list[dict]] = {name: [] for name in scenarios}
    for row in frame.collect():
        number = (row.date - FIRST_DAY) // APART
        [*rows.values()][number].append(row.asDict() | {"date": str(row.date - number * APART)})
    return rows


def select(rows: Iterable[Mapping], *columns: str) -> list[tuple]:
    """Return these columns of the rows, sorted by value with nulls last."""
    return sorted(
        (tuple(row[column] for column in columns) for row in rows),
        key=lambda values: [(value is None, value) for value in values],
    )
