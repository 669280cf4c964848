"""Settings have working defaults, and an invalid one gives a one-line error."""

import pytest

from shopnow.errors import UserError
from shopnow.settings import Settings


def test_offset_applies_to_ports_without_a_setting(monkeypatch):
    monkeypatch.setenv("SHOPNOW_PORT_OFFSET", "100")
    monkeypatch.setenv("SHOPNOW_KAFKA_PORT", "19092")
    ports = Settings.load().ports
    assert ports["kafka"] == 19092
    assert ports["airflow"] == Settings.model_fields["airflow_port"].default + 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOPNOW_KAFKA_PORT", "many"),
        ("SHOPNOW_AIRFLOW_PARALLELISM", "0"),
        ("SHOPNOW_TRAFFIC", "perhaps"),
        ("SHOPNOW_PORT_OFFSET", "-1"),
        ("SHOPNOW_VACUUM_HOURS", "23"),
        ("SHOPNOW_SERVICE_LEVEL", "0.5"),
        ("SHOPNOW_SERVICE_LEVEL", "0.9999"),
        ("SHOPNOW_LEAD_TIME_DAYS", "0"),
    ],
)
def test_invalid_value_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=name) as error:
        Settings.load()
    assert "\n" not in str(error.value)


def test_services_with_the_same_port_are_named(monkeypatch):
    monkeypatch.setenv("SHOPNOW_SMTP_PORT", "9092")
    with pytest.raises(UserError, match="kafka and smtp the same port 9092"):
        Settings.load()


def test_offset_beyond_the_last_port(monkeypatch):
    monkeypatch.setenv("SHOPNOW_PORT_OFFSET", "40000")
    monkeypatch.setenv("SHOPNOW_NAMENODE_PORT", "9820")
    assert max(Settings.load().ports.values()) <= 65535
    monkeypatch.setenv("SHOPNOW_PORT_OFFSET", "60000")
    with pytest.raises(UserError, match="SHOPNOW_PORT_OFFSET"):
        Settings.load()


def test_data_directories_have_different_keys(monkeypatch, tmp_path):
    keys = set()
    for name in ("one", "two"):
        monkeypatch.setenv("SHOPNOW_DATA_DIR", str(tmp_path / name))
        keys.add(Settings.load().key)
    assert len(keys) == 2


def test_a_tilde_is_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHOPNOW_DATA_DIR", "~/data")
    assert Settings.load().data_dir == tmp_path / "data"


@pytest.mark.parametrize(
    "folder", ["a, b", "a:b", "a;b", 'a"b', "a#b", "a%b", "a$b", "a*", "a\\b", "a[b]", "a\nb", "a😀"]
)
def test_a_folder_that_a_service_would_split_is_refused(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("SHOPNOW_DATA_DIR", str(tmp_path / folder))
    with pytest.raises(UserError, match=r"SHOPNOW_DATA_DIR.*contains") as error:
        Settings.load()
    assert "\n" not in str(error.value)
