"""Static checks of docker-compose.yaml and the Dockerfile; `tests/compose/run` starts the stack."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopnow.cluster import exporter, make_secrets, service_monitor, setup
from shopnow.cluster.health import PROBES
from shopnow.cluster.services import SERVICES
from shopnow.cluster.settings import ClusterSettings
from shopnow.errors import UserError
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


class _StopError(Exception):
    """Ends the service monitor, which runs for ever."""


ENTRY_POINTS: dict[str, Callable[[Settings], object]] = {
    "setup": setup.prepare,
    "metrics": exporter.pipeline_sources,
    "service-monitor": lambda settings: service_monitor.main(),
}
"""Programs of this project that read secrets while they run."""


@pytest.fixture
def nothing_answers(monkeypatch):
    """No name resolves, no process starts, and the service monitor ends after its first check."""

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("nothing answers")

    def stop(seconds: float) -> None:
        raise _StopError

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("subprocess.run", refuse)
    monkeypatch.setattr("psycopg2.connect", refuse)
    monkeypatch.setattr("confluent_kafka.admin.AdminClient", refuse)
    monkeypatch.setattr("time.sleep", stop)


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_service_mounts_exactly_the_secrets_that_it_reads(
    name, container, secrets_folder, nothing_answers, monkeypatch
):
    service = compose_file()["services"][name]
    [command] = service["command"]
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "kafka-1")
    if "SHOPNOW_MONITORED" in service.get("environment", ()):
        monkeypatch.setenv("SHOPNOW_MONITORED", service["environment"]["SHOPNOW_MONITORED"])
    SERVICES[command].environment(container)
    SERVICES[command].command(container)
    # What reads a secret does so before it connects or starts a process, which fails here.
    for run in (
        lambda: SERVICES[command].prepare(container),
        lambda: ENTRY_POINTS.get(command, str)(container.settings),
        PROBES.get(command, bool),
    ):
        # A user without a name needs a program that creates a namespace.
        with suppress(OSError, ImportError, UserError, _StopError):
            run()
    assert secrets_folder.asked == set(service.get("secrets", ()))


def test_services_without_secrets_have_a_read_only_root():
    """Compose copies secrets into the root file system, so the others cannot have one."""
    own = {name: compose_file()["services"][name] for name in OWN_SERVICES}
    assert {name for name, service in own.items() if service.get("read_only")} == {
        name
        for name, service in own.items()
        if not service.get("secrets") and service["command"] != ["setup"]
    }


@pytest.mark.parametrize("name", compose_file()["services"])
def test_processes_of_a_service_are_limited(name):
    service = compose_file()["services"][name]
    assert 0 < service["deploy"]["resources"]["limits"]["pids"] <= 1024
    assert service["init"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "user", "devices"} & service.keys()
    volumes = service.get("volumes", ())
    assert not [volume for volume in volumes if volume.startswith((".", "/")) and not volume.endswith(":ro")]


@pytest.mark.parametrize("profile", ["small", "full"])
def test_the_service_monitor_checks_every_service_of_its_profile(profile):
    [monitor] = [
        service for service in services(profile).values() if service["command"] == ["service-monitor"]
    ]
    monitored = monitor["environment"]["SHOPNOW_MONITORED"].split(",")
    assert service_monitor.service_probes(monitored).keys() == {
        service.get("hostname", name)
        for name, service in services(profile).items()
        if service["command"] not in (["setup"], ["service-monitor"])
    }


def test_every_setting_is_passed_to_the_containers_unless_it_is_fixed_there():
    environments = [service.get("environment", {}) for service in services("full").values()]
    passed = {name for environment in environments for name in environment}
    fixed = {"data_dir", "port_offset", "maven_mirror", "sail_memory_mb"} | {
        f"{name}_port" for name in Settings().ports
    }
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
