"""What docker-compose.yaml promises of every service; tests/compose/run brings it up."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopnow.cluster import kafka_users, make_secrets
from shopnow.cluster.health import PROBES
from shopnow.cluster.services import SERVICES
from shopnow.settings import ROOT

UNITS = {"M": 1, "G": 1024}
SMALL_MB = 8 * 1024


@cache
def stack() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yaml").read_text())


def services(profile: str) -> dict[str, Any]:
    return {name: service for name, service in stack()["services"].items() if profile in service["profiles"]}


OURS = [name for name, service in stack()["services"].items() if service["image"] == "shopnow:local"]


def count(profile: str, command: str) -> int:
    return sum(service["command"] == [command] for service in services(profile).values())


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_our_image_is_one_it_knows(name):
    [command] = stack()["services"][name]["command"]
    assert command in SERVICES
    assert command in PROBES or command == "setup"


@pytest.mark.parametrize("name", stack()["services"])
def test_every_service_is_watched_limited_and_started_again(name):
    service = stack()["services"][name]
    assert service["healthcheck"]["interval"]
    assert name in OURS or service["healthcheck"]["test"]
    assert service["restart"] == ("on-failure" if name == "setup" else "unless-stopped")
    limits = service["deploy"]["resources"]["limits"]
    assert limits["memory"]
    assert limits["cpus"]
    assert service["cap_drop"] == ["ALL"]


def megabytes(limit: str) -> int:
    """Of a memory limit, or of the default of the variable that holds it."""
    limit = re.sub(r"\$\{[^}]*:-([^}]*)\}", r"\1", limit)
    return int(limit[:-1]) * UNITS[limit[-1]]


def test_the_small_one_fits_into_eight_gigabytes():
    # What prepares has ended by the time the others start.
    running = [service for service in services("small").values() if service["command"] != ["setup"]]
    assert (
        sum(megabytes(service["deploy"]["resources"]["limits"]["memory"]) for service in running) <= SMALL_MB
    )


def test_the_full_one_has_three_of_what_must_not_be_lost():
    assert count("full", "kafka") == count("full", "datanode") == 3
    assert count("full", "airflow-scheduler") == 2
    assert {each["command"][0] for each in services("small").values()} <= {
        each["command"][0] for each in services("full").values()
    }


def test_only_pages_for_people_are_published_and_only_to_this_machine():
    published = {
        name: service["ports"] for name, service in stack()["services"].items() if "ports" in service
    }
    assert {
        name: [re.sub(r"\$\{[^}]*\}", "N", port) for port in ports] for name, ports in published.items()
    } == {
        "airflow-api-server": ["127.0.0.1:N:8080"],
        "grafana": ["127.0.0.1:N:3000"],
    }


def test_an_image_of_others_is_pinned_and_sees_only_prometheus():
    others = {name: service for name, service in stack()["services"].items() if name not in OURS}
    assert list(others) == ["grafana"]
    grafana = others["grafana"]
    assert re.search(r":\d+\.\d+\.\d+$", grafana["image"])
    assert {
        name for name, service in stack()["services"].items() if "monitoring" in service.get("networks", ())
    } == {
        "grafana",
        "prometheus",
    }
    assert grafana["networks"] == ["monitoring"]
    assert grafana["secrets"] == ["grafana_password"]
    assert "./monitoring/grafana:/etc/grafana/provisioning:ro" in grafana["volumes"]
    assert grafana["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_no_secret_has_a_default():
    assert {
        name: given
        for name, given in stack()["secrets"].items()
        if given != {"environment": f"SHOPNOW_{name.upper()}"}
    } == {}
    settings = re.findall(r"\$\{([A-Z_]+)[^}]*\}", (ROOT / "docker-compose.yaml").read_text())
    assert not [name for name in settings if re.search("PASSWORD|SECRET|KEY", name)]
    made = make_secrets.made()
    assert stack()["secrets"].keys() == made.keys()
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_only_the_secrets_it_needs(name):
    service = stack()["services"][name]
    given = {secret for secret in service.get("secrets", ()) if re.fullmatch("kafka_[a-z]+_password", secret)}
    users = {
        "kafka": "admin",
        "airflow-worker": "pipeline",
        "airflow-api-server": "tab",
        "airflow-triggerer": "triggers",
        "metrics": "metrics",
    }
    command = service["command"][0]
    expected = kafka_users.USERS if command == "setup" else [users[command]] if command in users else []
    assert given == {f"kafka_{user}_password" for user in expected}


def test_data_is_in_volumes():
    kept = {"kafka", "namenode", "datanode", "postgres", "redis", "prometheus"}
    assert all(
        service.get("volumes")
        for name in OURS
        if (service := stack()["services"][name])["command"][0] in kept
    )


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yaml"])
def test_no_address_of_a_registry_is_written_down(file):
    assert "://" not in (ROOT / file).read_text()


def test_the_image_is_built_from_locks():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "USER shopnow" in dockerfile
    assert "HEALTHCHECK" in dockerfile
    for command in re.findall(r"^.* pip install .*(?:\\\n.*)?$", dockerfile, re.MULTILINE):
        assert "--require-hashes" in command
    for lock in re.findall(r"-r (\S+)", dockerfile):
        assert "--hash=sha256:" in Path(ROOT / lock).read_text()
