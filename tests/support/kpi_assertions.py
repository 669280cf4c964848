"""The tables that Spark makes, and what they should hold."""

from collections.abc import Iterable

import pyarrow as pa

from shopnow import kpis
from shopnow.events import TOPIC_OF, TOPICS, Event
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from support.lake_oracle import assert_kpis_true

DERIVED = [f"events/{topic}" for topic in TOPICS] + [kpi.name for kpi in kpis.KPIS]


def never():
    raise AssertionError("Spark was started for nothing")


def read(lake: str, name: str) -> pa.Table:
    return tables.read(Table(lake, name).open())


def content(lake: str, name: str) -> pa.Table:
    """The rows of a table in an order of their own, without what tells when and from what they were made."""
    table = read(lake, name).drop_columns(["raw_versions", "computed_at", "losses"])
    return table.sort_by([(column, "ascending") for column in table.column_names])


def versions(lake: str) -> dict[str, int]:
    return {name: Table(lake, name).version() for name in DERIVED}


def assert_true_to(lake: str, happened: Iterable[Event]) -> None:
    """The lake's events are these, once each, and its KPIs are theirs, by the oracle."""
    happened = list(happened)
    for topic in TOPICS:
        rows = read(lake, f"events/{topic}")
        expected = {
            event.event_id: event.event_time.date()
            for event in happened
            if TOPIC_OF[type(event)].name == topic
        }
        assert (
            dict(zip(rows["event_id"].to_pylist(), rows["event_date"].to_pylist(), strict=True)) == expected
        )
        assert len(rows) == len(expected)
    assert_kpis_true(lake, happened)
