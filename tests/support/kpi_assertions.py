"""Reads of the tables that Spark derives, and assertions on their content."""

from collections.abc import Collection, Iterable

import pyarrow as pa

from shopnow import kpis
from shopnow.events import TOPIC_OF, TOPICS, Event
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from support.lake_oracle import assert_kpis_match_oracle

DERIVED_TABLES = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in kpis.KPIS]


def fail_if_spark_starts():
    """Stand in for the function that starts Spark where nothing is left to compute."""
    raise AssertionError("Spark was started although nothing was left to compute")


def read(lake: str, name: str) -> pa.Table:
    return tables.read(Table(lake, name).open())


def read_content(lake: str, name: str) -> pa.Table:
    """Return the sorted rows of a table without the columns that say when and from what they were made."""
    table = read(lake, name).drop_columns(["raw_versions", "computed_at", "losses"])
    return table.sort_by([(column, "ascending") for column in table.column_names])


def versions(lake: str) -> dict[str, int]:
    """Return the version of every derived table."""
    return {name: Table(lake, name).version() for name in DERIVED_TABLES}


def assert_derived_from(lake: str, events: Iterable[Event]) -> None:
    """Assert that the events tables have exactly these events, and that the KPIs match the oracle's."""
    events = list(events)
    assert_events(lake, events)
    assert_kpis_match_oracle(lake, events)


def assert_events(lake: str, events: Collection[Event]) -> None:
    """Assert that the events tables have exactly these events."""
    for topic in TOPICS:
        rows = read(lake, f"events/{topic}")
        expected = {
            event.event_id: event.event_time.date() for event in events if TOPIC_OF[type(event)].name == topic
        }
        assert (
            dict(zip(rows["event_id"].to_pylist(), rows["event_date"].to_pylist(), strict=True)) == expected
        )
        assert len(rows) == len(expected)
