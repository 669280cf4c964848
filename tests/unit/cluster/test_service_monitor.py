"""Which services the cluster's monitor reports, and which connections it has."""

from datetime import UTC, datetime, timedelta

import pytest

from shopnow.cluster.probes import ProbeError
from shopnow.cluster.service_monitor import START, UNRESPONSIVE, ServiceChecker, service_probes
from shopnow.cluster.services import SERVICES
from shopnow.errors import UserError

STARTED = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Service:
    """A service that is healthy, unhealthy, or does not answer."""

    answer: bool | Exception = True

    def probe(self) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def checker(service):
    return ServiceChecker({"kafka-1": service.probe, "slack": lambda: True}, STARTED)


def reported(checker: ServiceChecker, at: timedelta) -> list[str]:
    return [problem.key for problem in checker.check(STARTED + at)]


@pytest.mark.parametrize(
    "answer", [False, ConnectionRefusedError(), ProbeError("no brokers"), KeyError("id")]
)
def test_service_that_fails_its_probe_for_a_minute_is_a_problem_until_it_passes(checker, service, answer):
    assert reported(checker, 0 * SECOND) == []
    service.answer = answer
    assert reported(checker, SECOND) == []
    assert reported(checker, UNRESPONSIVE) == []
    assert reported(checker, UNRESPONSIVE + SECOND) == ["service/kafka-1"]
    assert reported(checker, UNRESPONSIVE + 2 * SECOND) == ["service/kafka-1"]
    service.answer = True
    assert reported(checker, UNRESPONSIVE + 3 * SECOND) == []


def test_restart_within_a_minute_is_no_problem(checker, service):
    for second in range(0, 300, 50):
        service.answer = not service.answer
        assert reported(checker, second * SECOND) == []


def test_service_has_time_to_start(checker, service):
    service.answer = False
    assert reported(checker, 0 * SECOND) == []
    assert reported(checker, START - SECOND) == []
    assert reported(checker, START) == ["service/kafka-1"]


def test_unknown_service_is_an_error_that_lists_the_services():
    with pytest.raises(UserError, match=r"unknown services: kafak-1; known are kafka, namenode"):
        service_probes(["kafka-2", "kafak-1"])


def test_service_monitor_has_the_connections_for_its_notifications_only(container):
    environment = SERVICES["service-monitor"].environment(container)
    assert set(environment) == {"AIRFLOW_CONN_SMTP_DEFAULT", "AIRFLOW_CONN_SLACK_DEFAULT"}
