"""Positions of Kafka and the lake, read through a fake Kafka and fake raw tables."""

from collections.abc import Iterable

import pytest

from shopnow.broker.topic_state import TopicState
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow_tab_app.pages import positions
from shopnow_tab_app.pages.positions import PositionReader
from shopnow_tab_app.replica.protocol import TableStats
from shopnow_tab_app.sources.polled_cache import PolledCache


class FakeReplica:
    """A raw table that has landed all but the last `lag` of 100 records."""

    def __init__(self) -> None:
        self.lag, self.is_down, self.calls, self.version = 10, False, 0, 0

    def table_stats(self, names: Iterable[str]) -> dict[str, TableStats]:
        return {"raw/orders": TableStats(self.version, 100)}

    def transaction_version(self, name: str, app_id: str) -> int | None:
        self.calls += 1
        if self.is_down:
            raise UserError("no NameNode")
        return None if app_id.endswith("cuts") else 100 - self.lag


@pytest.fixture
def replica() -> FakeReplica:
    return FakeReplica()


@pytest.fixture
def read_positions(replica: FakeReplica, monkeypatch: pytest.MonkeyPatch) -> PositionReader:
    monkeypatch.setattr(
        positions.topic_state,
        "describe",
        lambda conf, names: {name: TopicState(name, "id", {0: (0, 100)}) for name in TOPICS},
    )
    return PositionReader(dict, replica)  # type: ignore[arg-type]


def test_offsets_are_read_once_for_each_table_version(
    replica: FakeReplica, read_positions: PositionReader
) -> None:
    assert [read_positions()["orders"][0].lag for _ in range(3)] == [10, 10, 10]
    calls, replica.version, replica.lag = replica.calls, 1, 4
    assert read_positions()["orders"][0].lag == 4
    assert replica.calls == 2 * calls


def test_previous_positions_are_returned_while_the_lake_is_down(
    replica: FakeReplica, read_positions: PositionReader
) -> None:
    before = read_positions()
    replica.version, replica.is_down = 1, True
    assert read_positions() == before


def test_polled_cache_keeps_the_last_response_and_reports_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    responses = iter([{"orders": 1}, UserError("Kafka at nowhere failed")])
    clock = iter(range(0, 100, 10))
    monkeypatch.setattr("shopnow_tab_app.sources.polled_cache.time.monotonic", lambda: next(clock))

    def fetch() -> dict[str, int]:
        response = next(responses)
        if isinstance(response, UserError):
            raise response
        return response

    cache = PolledCache("Kafka", fetch, {})
    first, second = cache(), cache()
    assert (first.value, first.error) == ({"orders": 1}, None)
    assert second == first._replace(error="Kafka at nowhere failed")
