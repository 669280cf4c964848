"""Configuration of the services of the cluster: addresses of other services, secrets, Kafka users."""

import json
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation
from cryptography import x509

from shopnow.cluster import (
    airflow,
    connections,
    health,
    kafka_users,
    make_secrets,
    postgres,
    redis,
    run,
    services,
    settings,
    spark,
    tools,
)
from shopnow.cluster.services import SERVICES, Container
from shopnow.cluster.settings import ClusterSettings
from shopnow.cluster.tools import TOOLS
from shopnow.errors import UserError
from shopnow.local_stack import hdfs
from shopnow.settings import Settings


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A container with every secret mounted."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in make_secrets.generate_secrets().items():
        (secrets / name).write_text(value if value.startswith("-----") else f"the {name}\n")
    for module in (settings, connections, services):
        monkeypatch.setattr(module, "SECRETS_DIR", secrets)
    monkeypatch.setattr(spark, "CONF_DIR", tmp_path / "spark")
    return Container(ClusterSettings(), Settings(data_dir=tmp_path / "data"), Path("/usr/lib/jvm/some"))


def test_broker_missing_from_the_host_list_is_an_error(container, monkeypatch):
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "kafka-4")
    with pytest.raises(UserError, match="kafka-4 is not in SHOPNOW_KAFKA_HOSTS"):
        SERVICES["kafka"].prepare(container)


def test_certificate_covers_future_brokers():
    [certificate] = x509.load_pem_x509_certificates(
        make_secrets.generate_secrets()["kafka_certificate"].encode()
    )
    names = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName)
    assert {*ClusterSettings().brokers, "kafka-4"} <= set(names)


def test_unknown_tool_is_an_error_that_lists_the_tools():
    with pytest.raises(UserError, match=r"unknown service or tool 'kafka-topic'. .* kafka-topics"):
        run.main("kafka-topic")


def test_kafka_tools_read_the_password_from_a_private_file(container, monkeypatch, tmp_path):
    monkeypatch.setattr(tools, "ADMIN_PROPERTIES", tmp_path / "admin.properties")
    TOOLS["kafka-topics"].prepare(container)
    assert tools.ADMIN_PROPERTIES.stat().st_mode & 0o777 == 0o600
    assert 'password="the kafka_admin_password"' in tools.ADMIN_PROPERTIES.read_text()
    assert "the kafka_admin_password" not in " ".join(TOOLS["kafka-topics"].command(container))


def test_datanode_registers_under_its_own_host_name(container, monkeypatch):
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "datanode-2")
    SERVICES["datanode"].prepare(container)
    site = (hdfs.local_node(container.settings).home / "conf" / "hdfs-site.xml").read_text()
    assert "<name>dfs.datanode.hostname</name><value>datanode-2</value>" in site
    assert "<name>dfs.replication</name><value>3</value>" in site


def test_connections_and_executor_are_those_of_the_cluster(container, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", '{"conn_type": "smtp", "host": "mail.example.com"}')
    environment = airflow.environment(*container, "pipeline")
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert json.loads(environment["AIRFLOW_CONN_SPARK_DEFAULT"])["host"] == "spark://spark-master"
    assert json.loads(environment["AIRFLOW_CONN_SMTP_DEFAULT"])["host"] == "mail.example.com"
    assert "127.0.0.1" not in json.dumps(
        connections.connections(container.cluster, container.settings, "pipeline")
    )
    kafka_extra = json.loads(environment["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
    assert (kafka_extra["sasl.username"], kafka_extra["sasl.password"]) == (
        "pipeline",
        "the kafka_pipeline_password",
    )
    assert "the database_password" in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert "the database_password" in environment["AIRFLOW_CONN_AIRFLOW_DB"]


def test_missing_secret_is_named_in_the_error(container):
    (settings.SECRETS_DIR / "redis_password").unlink()
    with pytest.raises(UserError, match="SHOPNOW_REDIS_PASSWORD"):
        redis.url()


def test_spark_reads_its_secret_from_a_private_file(container):
    SERVICES["spark-worker"].prepare(container)
    file = spark.CONF_DIR / "spark-defaults.conf"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "spark.authenticate.secret the spark_secret\n" in file.read_text()
    assert "the spark_secret" not in " ".join(SERVICES["spark-worker"].command(container))


def test_postgres_requires_a_password_from_remote_clients():
    remote = [line for line in postgres._FILES["pg_hba.conf"].splitlines() if line.startswith("host")]
    assert remote == ["host airflow airflow all scram-sha-256"]


def test_failed_health_check_names_the_service(tmp_path, monkeypatch):
    monkeypatch.setattr(health, "SERVICE_FILE", tmp_path / "service")
    health.SERVICE_FILE.write_text("redis")
    with pytest.raises(SystemExit, match="redis: "):
        health.main()


def test_only_the_pipeline_may_write_the_ledger():
    writers = {
        acl.principal
        for acl in kafka_users.acls()
        if acl.operation == AclOperation.WRITE and acl.name == "ledger"
    }
    assert writers == {"User:pipeline"}
    assert not [acl for acl in kafka_users.acls() if acl.name == "*"]


def test_scheduler_has_no_connection_of_the_tasks(container):
    environment = SERVICES["airflow-scheduler"].environment(container)
    assert "AIRFLOW_CONN_KAFKA_DEFAULT" not in environment
    assert "AIRFLOW_CONN_AIRFLOW_DB" not in environment
