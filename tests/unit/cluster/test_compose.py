"""Static checks of docker-compose.yaml and the Dockerfile; `tests/compose/run` starts the stack."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopnow.cluster import kafka_users, make_secrets
from shopnow.cluster.health import PROBES
from shopnow.cluster.services import SERVICES
from shopnow.cluster.settings import ClusterSettings
from shopnow.settings import ROOT, Settings, variable_name

UNITS = {"M": 1, "G": 1024}
SMALL_MB = 8 * 1024


@cache
def compose_file() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yaml").read_text())


def services(profile: str) -> dict[str, Any]:
    return {
        name: service
        for name, service in compose_file()["services"].items()
        if profile in service["profiles"]
    }


OWN_SERVICES = [
    name for name, service in compose_file()["services"].items() if service["image"] == "shopnow:local"
]


def count_services(profile: str, command: str) -> int:
    return sum(service["command"] == [command] for service in services(profile).values())


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_every_service_command_is_implemented(name):
    [command] = compose_file()["services"][name]["command"]
    assert command in SERVICES
    assert command in PROBES or command == "setup"


@pytest.mark.parametrize("name", compose_file()["services"])
def test_every_service_has_a_health_check_limits_and_a_restart_policy(name):
    service = compose_file()["services"][name]
    assert service["healthcheck"]["interval"]
    assert name in OWN_SERVICES or service["healthcheck"]["test"]
    assert service["restart"] == ("on-failure" if name == "setup" else "unless-stopped")
    limits = service["deploy"]["resources"]["limits"]
    assert limits["memory"]
    assert limits["cpus"]
    assert service["cap_drop"] == ["ALL"]


def megabytes(limit: str) -> int:
    """Convert a memory limit to MB; a variable stands for its default."""
    limit = re.sub(r"\$\{[^}]*:-([^}]*)\}", r"\1", limit)
    return int(limit[:-1]) * UNITS[limit[-1]]


def test_small_profile_fits_into_eight_gigabytes():
    # The service setup has ended before the others start.
    running = [service for service in services("small").values() if service["command"] != ["setup"]]
    assert (
        sum(megabytes(service["deploy"]["resources"]["limits"]["memory"]) for service in running) <= SMALL_MB
    )


def test_full_profile_has_three_brokers_and_datanodes():
    assert count_services("full", "kafka") == count_services("full", "datanode") == 3
    assert count_services("full", "airflow-scheduler") == 2
    small, full = (
        {service["command"][0] for service in services(profile).values()} for profile in ("small", "full")
    )
    assert small <= full


def test_only_user_interfaces_are_published_and_only_on_localhost():
    published = {
        name: service["ports"] for name, service in compose_file()["services"].items() if "ports" in service
    }
    assert {
        name: [re.sub(r"\$\{[^}]*\}", "N", port) for port in ports] for name, ports in published.items()
    } == {
        "airflow-api-server": ["127.0.0.1:N:8080"],
        "grafana": ["127.0.0.1:N:3000"],
    }


def test_third_party_image_is_pinned_and_reaches_only_prometheus():
    third_party = {
        name: service for name, service in compose_file()["services"].items() if name not in OWN_SERVICES
    }
    assert list(third_party) == ["grafana"]
    grafana = third_party["grafana"]
    assert re.search(r":\d+\.\d+\.\d+$", grafana["image"])
    assert {
        name
        for name, service in compose_file()["services"].items()
        if "monitoring" in service.get("networks", ())
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
        name: source
        for name, source in compose_file()["secrets"].items()
        if source != {"environment": f"SHOPNOW_{name.upper()}"}
    } == {}
    settings = re.findall(r"\$\{([A-Z_]+)[^}]*\}", (ROOT / "docker-compose.yaml").read_text())
    assert not [name for name in settings if re.search("PASSWORD|SECRET|KEY", name)]
    generated = make_secrets.generate_secrets()
    assert compose_file()["secrets"].keys() == generated.keys()
    assert len(set(generated.values())) == len(generated)


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_service_has_only_the_kafka_password_it_needs(name):
    service = compose_file()["services"][name]
    mounted = {
        secret for secret in service.get("secrets", ()) if re.fullmatch("kafka_[a-z]+_password", secret)
    }
    users = {
        "kafka": "admin",
        "airflow-worker": "pipeline",
        "airflow-api-server": "tab",
        "airflow-triggerer": "triggers",
        "metrics": "metrics",
    }
    command = service["command"][0]
    expected = kafka_users.USERS if command == "setup" else [users[command]] if command in users else []
    assert mounted == {f"kafka_{user}_password" for user in expected}


def test_every_setting_is_passed_to_the_containers_unless_it_is_fixed_there():
    environments = [service.get("environment", {}) for service in services("full").values()]
    passed = {name for environment in environments for name in environment}
    fixed = {"data_dir", "port_offset", "maven_mirror"} | {f"{name}_port" for name in Settings().ports}
    names = {*Settings.model_fields, *ClusterSettings.model_fields} - fixed
    assert {variable_name(name) for name in names} - passed == set()


def test_stateful_services_have_volumes():
    stateful = {"kafka", "namenode", "datanode", "postgres", "redis", "prometheus"}
    assert all(
        service.get("volumes")
        for name in OWN_SERVICES
        if (service := compose_file()["services"][name])["command"][0] in stateful
    )


@pytest.mark.parametrize("file", ["Dockerfile", "docker-compose.yaml"])
def test_file_contains_no_registry_url(file):
    assert "://" not in (ROOT / file).read_text()


def test_image_is_built_from_hashed_locks():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "USER shopnow" in dockerfile
    assert "HEALTHCHECK" in dockerfile
    for command in re.findall(r"^.* pip install .*(?:\\\n.*)?$", dockerfile, re.MULTILINE):
        assert "--require-hashes" in command
    for lock in re.findall(r"-r (\S+)", dockerfile):
        assert "--hash=sha256:" in Path(ROOT / lock).read_text()


def copied_files(dockerfile: str) -> list[str]:
    """Return the sources of the COPY instructions that copy from the build context."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    return [source for sources in words if not sources[0].startswith("--from=") for source in sources]


def test_every_copied_file_exists_and_is_in_the_build_context():
    context = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    for source in copied_files((ROOT / "Dockerfile").read_text()):
        assert (ROOT / source).exists()
        assert any(source == path or source.startswith(f"{path}/") for path in context), source
