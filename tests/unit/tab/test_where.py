"""Where Kafka and the lake stand, with a Kafka and raw tables of the test's own."""

from collections.abc import Iterable

import pytest

from shopnow.broker.topics import TopicState
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow_tab_app.pages import pipeline
from shopnow_tab_app.polled_cache import Fetched
from shopnow_tab_app.replica.protocol import TableStats


class Raw:
    """A raw table that has landed all but the last `behind` of 100 records."""

    def __init__(self) -> None:
        self.behind, self.away, self.asked, self.now = 10, False, 0, 0

    def stands(self, names: Iterable[str]) -> dict[str, TableStats]:
        return {"raw/orders": TableStats(self.now, 100)}

    def transaction_version(self, name: str, app_id: str) -> int | None:
        self.asked += 1
        if self.away:
            raise UserError("no NameNode")
        return None if app_id.endswith("cuts") else 100 - self.behind


@pytest.fixture
def raw() -> Raw:
    return Raw()


@pytest.fixture
def where(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> pipeline.Where:
    monkeypatch.setattr(
        pipeline.topics,
        "describe",
        lambda conf, names: {name: TopicState(name, "id", {0: (0, 100)}) for name in TOPICS},
    )
    return pipeline.Where(dict, raw)  # type: ignore[arg-type]


def test_lake_is_asked_once_for_each_version(raw: Raw, where: pipeline.Where) -> None:
    assert [where()["orders"][0].lag for _ in range(3)] == [10, 10, 10]
    once, raw.now, raw.behind = raw.asked, 1, 4
    assert where()["orders"][0].lag == 4
    assert raw.asked == 2 * once


def test_positions_stay_as_they_were_while_the_lake_is_away(raw: Raw, where: pipeline.Where) -> None:
    before = where()
    raw.now, raw.away = 1, True
    assert where() == before


def test_what_kafka_said_last_is_kept_and_why_there_is_nothing_newer_is_said(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"orders": 1}, UserError("Kafka at nowhere failed")])
    clock = iter(range(0, 100, 10))
    monkeypatch.setattr("shopnow_tab_app.polled_cache.time.monotonic", lambda: next(clock))

    def ask() -> dict[str, int]:
        answer = next(answers)
        if isinstance(answer, UserError):
            raise answer
        return answer

    fetched = Fetched("Kafka", ask, {})
    first, second = fetched(), fetched()
    assert (first.value, first.trouble) == ({"orders": 1}, None)
    assert second == first._replace(trouble="Kafka at nowhere failed")
