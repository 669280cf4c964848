"""The user's environment is mended where programs would fail on it, and only there."""

import os
import stat
from pathlib import Path

import pytest

from shopnow import launch_environment
from shopnow.errors import UserError
from support import tls_proxy

CA_NAMES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")


@pytest.fixture
def fallback(tmp_path: Path) -> Path:
    return tmp_path / "fallback"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return tls_proxy.Authority(tmp_path).file


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with a home that can be written."""
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize("value", [None, "", "relative", "/proc/home", "/dev/null"])
def test_a_home_that_cannot_be_written_is_replaced(fallback, value):
    environment = {} if value is None else {"HOME": value}
    assert launch_environment.prepare(environment, fallback)["HOME"] == str(fallback)
    assert stat.S_IMODE(fallback.stat().st_mode) == 0o700


def test_a_cache_folder_that_cannot_be_written_is_replaced(home, fallback):
    prepared = launch_environment.prepare(home | {"XDG_CACHE_HOME": "/proc/cache"}, fallback)
    assert prepared["XDG_CACHE_HOME"] == str(fallback / ".cache")
    assert prepared["HOME"] == home["HOME"]


def test_a_usual_home_and_cache_stay(home, fallback, tmp_path):
    environment = home | {"XDG_CACHE_HOME": str(tmp_path / "to" / "create")}
    assert launch_environment.prepare(environment, fallback).items() >= environment.items()
    assert not fallback.exists()


def test_a_user_without_an_entry_gets_a_name(home, fallback, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    prepared = launch_environment.prepare(home, fallback)
    assert prepared["USER"] == prepared["LOGNAME"] == "uid4000000000"
    assert launch_environment.prepare(home | {"USER": "anna"}, fallback)["LOGNAME"] == "anna"


def test_a_user_without_an_entry_is_the_one_of_the_services_to_hdfs(home, fallback, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "HADOOP_USER_NAME" not in launch_environment.prepare(home, fallback)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert launch_environment.prepare(home, fallback)["HADOOP_USER_NAME"] == "nobody"
    own = home | {"HADOOP_USER_NAME": "anna"}
    assert launch_environment.prepare(own, fallback)["HADOOP_USER_NAME"] == "anna"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({"LC_ALL": "C"}, "C.UTF-8"), ({"LANG": "xx_YY.UTF-8"}, "C.UTF-8"), ({"LC_ALL": "C.UTF-8"}, "C.UTF-8")],
)
def test_the_locale_is_utf8(home, fallback, monkeypatch, variables, expected):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launch_environment.prepare(home | variables, fallback)["LC_ALL"] == expected


@pytest.mark.parametrize("name", CA_NAMES)
def test_one_variable_names_the_authorities_for_every_program(home, fallback, name, authority):
    prepared = launch_environment.prepare(home | {name: str(authority)}, fallback)
    assert {prepared[other] for other in (*CA_NAMES, "NODE_EXTRA_CA_CERTS")} == {str(authority)}


def test_variables_that_are_set_stay(home, fallback, authority):
    environment = home | {"SSL_CERT_FILE": str(authority), "PIP_CERT": "/other.pem"}
    assert launch_environment.prepare(environment, fallback)["PIP_CERT"] == "/other.pem"


def test_a_folder_of_authorities_is_one_for_openssl(home, fallback, tmp_path):
    prepared = launch_environment.prepare(home | {"REQUESTS_CA_BUNDLE": str(tmp_path)}, fallback)
    assert prepared["SSL_CERT_DIR"] == prepared["PIP_CERT"] == str(tmp_path)
    assert "SSL_CERT_FILE" not in prepared


@pytest.mark.parametrize(("content", "reason"), [(None, "does not exist"), ("no PEM", "has no certificates")])
def test_a_useless_file_of_authorities_is_named_in_one_line(home, fallback, tmp_path, content, reason):
    file = tmp_path / "authorities.pem"
    if content:
        file.write_text(content)
    with pytest.raises(UserError, match=f"REQUESTS_CA_BUNDLE={file} {reason}") as error:
        launch_environment.prepare(home | {"REQUESTS_CA_BUNDLE": str(file)}, fallback)
    assert "\n" not in str(error.value)


def test_pip_and_uv_use_the_same_index(home, fallback):
    for name, other in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("UV_DEFAULT_INDEX", "PIP_INDEX_URL")):
        prepared = launch_environment.prepare(home | {name: "https://index.example/simple"}, fallback)
        assert prepared[other] == "https://index.example/simple"


def test_this_machine_is_reached_without_a_proxy(home, fallback):
    prepared = launch_environment.prepare(home | {"no_proxy": "shop.example"}, fallback)
    assert prepared["NO_PROXY"] == prepared["no_proxy"] == "shop.example,127.0.0.1,localhost"
