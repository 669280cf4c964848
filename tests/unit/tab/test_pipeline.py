"""The pipeline page counts quarantined records by reason, and shows the latest of each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopnow import schemas
from shopnow.lake.delta.tables import Table
from shopnow_tab_app.pages import pipeline
from shopnow_tab_app.pages.positions import Positions
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.sources.polled_cache import PollResult
from support.local_replica import local_replica

NOW = datetime(2026, 7, 1, tzinfo=UTC)
READ = ("raw/orders",)


def records(problems: list[str | None]) -> pa.Table:
    """Rows of raw with these problems, one a second."""
    rows = [
        {
            "topic_id": "t",
            "partition": 0,
            "offset": offset,
            "timestamp": NOW + timedelta(seconds=offset),
            "ingest_date": NOW.date(),
            "value": b"value-%d" % offset,
            "problem": problem,
        }
        for offset, problem in enumerate(problems)
    ]
    return pa.Table.from_pylist(rows, schemas.RAW)


def quarantine_of(lake: ReplicaServer) -> list[pipeline.Reason]:
    positions: PollResult[Positions] = PollResult({}, NOW, None)
    return pipeline.build(lake, positions, [], lake.state(READ)).quarantine


@pytest.fixture
def page(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[pipeline.Reason]:
    """The reasons of 30 records with details that differ, two that do not, and two valid ones."""
    problems = [f"invalid JSON (byte {number})" for number in range(30)]
    address = tmp_path.as_uri()
    write_deltalake(
        Table(address, READ[0]).uri, records([*problems, None, "empty value", None, "empty value"])
    )
    with local_replica(address, tmp_path_factory.mktemp("replica")) as lake:
        return quarantine_of(lake)


def test_counts_by_reason(page: list[pipeline.Reason]) -> None:
    assert [(reason.reason, reason.topic, reason.records) for reason in page] == [
        ("invalid JSON", "orders", 30),
        ("empty value", "orders", 2),
    ]


def test_shows_the_latest_of_each_reason(page: list[pipeline.Reason]) -> None:
    assert [[example.offset for example in reason.examples] for reason in page] == [
        list(range(29, 9, -1)),
        [33, 31],
    ]
    assert (page[0].examples[0].problem, page[0].examples[0].value) == ("invalid JSON (byte 29)", "value-29")


def test_no_table_has_no_reasons(empty: ReplicaServer) -> None:
    assert quarantine_of(empty) == []
