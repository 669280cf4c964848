"""Requests to Airflow's API are retried on server errors, and take effect once."""

from collections.abc import Iterator

import httpx
import pytest

from shopnow.local_stack import airflow_api


def airflow_client(
    statuses: list[int], requests: list[tuple[str, bytes]], paused: bool = True
) -> httpx.Client:
    """A client of an Airflow that answers writes with these statuses in turn, and records the writes."""
    next_status: Iterator[int] = iter(statuses)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"dags": [{"dag_id": "land_events", "is_paused": paused}]})
        requests.append((request.method, request.content))
        return httpx.Response(next(next_status))

    return httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(answer))


def test_unpausing_is_retried_on_server_errors():
    requests: list[tuple[str, bytes]] = []
    airflow_api.unpause_dags(airflow_client([500, 500, 200], requests))
    assert [method for method, _ in requests] == ["PATCH"] * 3


def test_unpaused_dags_are_left_unchanged():
    requests: list[tuple[str, bytes]] = []
    airflow_api.unpause_dags(airflow_client([], requests, paused=False))
    assert requests == []


def test_trigger_is_retried_with_the_same_run_id_and_accepts_a_conflict():
    requests: list[tuple[str, bytes]] = []
    run_id = airflow_api.trigger(airflow_client([500, 409], requests), "land_events", {})
    assert len(requests) == 2
    assert requests[0] == requests[1]
    assert run_id.encode() in requests[0][1]


@pytest.mark.parametrize("statuses", [[403], [500] * airflow_api.MAX_ATTEMPTS])
def test_refusal_or_lasting_failure_is_raised(statuses):
    requests: list[tuple[str, bytes]] = []
    with pytest.raises(httpx.HTTPStatusError):
        airflow_api.trigger(airflow_client(statuses, requests), "land_events", {})
    assert len(requests) == len(statuses)
