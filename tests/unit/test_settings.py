"""Settings: defaults that work, and one clear line when one does not."""

import pytest

from shopnow.errors import UserError
from shopnow.settings import Settings


def test_offset_moves_the_ports_that_were_not_set(monkeypatch):
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
def test_a_wrong_value_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=name) as error:
        Settings.load()
    assert "\n" not in str(error.value)


def test_two_services_on_one_port_are_named(monkeypatch):
    monkeypatch.setenv("SHOPNOW_SMTP_PORT", "9092")
    with pytest.raises(UserError, match="kafka and smtp the same port 9092"):
        Settings.load()


def test_an_offset_past_the_last_port(monkeypatch):
    monkeypatch.setenv("SHOPNOW_PORT_OFFSET", "40000")
    monkeypatch.setenv("SHOPNOW_NAMENODE_PORT", "9820")
    assert max(Settings.load().ports.values()) <= 65535
    monkeypatch.setenv("SHOPNOW_PORT_OFFSET", "60000")
    with pytest.raises(UserError, match="SHOPNOW_PORT_OFFSET"):
        Settings.load()


def test_two_checkouts_have_different_keys(monkeypatch, tmp_path):
    keys = set()
    for name in ("one", "two"):
        monkeypatch.setenv("SHOPNOW_DATA_DIR", str(tmp_path / name))
        keys.add(Settings.load().key)
    assert len(keys) == 2
