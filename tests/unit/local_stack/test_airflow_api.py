"""Airflow's API is asked again when Airflow fails, and nothing is done twice for it."""

from collections.abc import Iterator

import httpx
import pytest

from shopnow.local_stack import airflow_api


def answering(statuses: list[int], asked: list[tuple[str, bytes]], paused: bool = True) -> httpx.Client:
    """A client of an Airflow that answers what changes something with these, one after the other."""
    next_: Iterator[int] = iter(statuses)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"dags": [{"dag_id": "land_events", "is_paused": paused}]})
        asked.append((request.method, request.content))
        return httpx.Response(next(next_))

    return httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(answer))


def test_dags_are_let_run_though_the_database_was_held():
    asked: list[tuple[str, bytes]] = []
    airflow_api.unpause_dags(answering([500, 500, 200], asked))
    assert [method for method, _ in asked] == ["PATCH"] * 3


def test_dags_that_run_are_left_alone():
    asked: list[tuple[str, bytes]] = []
    airflow_api.unpause_dags(answering([], asked, paused=False))
    assert asked == []


def test_a_run_is_ordered_again_under_the_same_id_and_may_be_there_already():
    asked: list[tuple[str, bytes]] = []
    run_id = airflow_api.trigger(answering([500, 409], asked), "land_events", {})
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert run_id.encode() in asked[0][1]


@pytest.mark.parametrize("statuses", [[403], [500] * airflow_api.MAX_ATTEMPTS])
def test_what_is_refused_or_fails_for_good_is_said(statuses):
    asked: list[tuple[str, bytes]] = []
    with pytest.raises(httpx.HTTPStatusError):
        airflow_api.trigger(answering(statuses, asked), "land_events", {})
    assert len(asked) == len(statuses)
