"""Which engine a connection stands for."""

import json

import pytest

from shopnow.dag_common import spark_connect_url

VARIABLE = "AIRFLOW_CONN_SPARK_CONNECT_DEFAULT"


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "sc://127.0.0.1:15002/"), ("", None), (None, None)])
def test_a_connection_without_a_host_and_none_at_all_stand_for_spark_submit(monkeypatch, host, url):
    monkeypatch.delenv(VARIABLE, raising=False)
    if host is not None:
        connection = {"conn_type": "spark_connect", "host": host, "port": 15002}
        monkeypatch.setenv(VARIABLE, json.dumps(connection))
    assert spark_connect_url() == url
