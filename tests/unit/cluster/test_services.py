"""Configuration of the services of the cluster: addresses of other services, secrets, Kafka users."""

import json
from hashlib import sha256
from urllib.parse import unquote, urlsplit

import pytest
from confluent_kafka.admin import AclOperation
from cryptography import x509
from sqlalchemy.engine import make_url

from shopnow.cluster import (
    airflow,
    connections,
    health,
    kafka_users,
    make_secrets,
    postgres,
    redis,
    redis_client,
    run,
    spark,
    tools,
)
from shopnow.cluster.services import SERVICES
from shopnow.cluster.settings import ClusterSettings
from shopnow.cluster.tools import TOOLS
from shopnow.errors import UserError
from shopnow.local_stack import hdfs
from unit.cluster.conftest import HARD_CHARACTERS


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


def test_kafka_tools_read_the_password_from_a_private_file(container):
    TOOLS["kafka-topics"].prepare(container)
    assert tools.ADMIN_PROPERTIES.stat().st_mode & 0o777 == 0o600
    assert "of kafka_admin_password" in tools.ADMIN_PROPERTIES.read_text()
    assert "of kafka_admin_password" not in " ".join(TOOLS["kafka-topics"].command(container))


def test_datanode_registers_under_its_own_host_name(container, monkeypatch):
    monkeypatch.setattr("shopnow.cluster.services.hostname", lambda: "datanode-2")
    SERVICES["datanode"].prepare(container)
    site = (hdfs.local_node(container.settings).home / "conf" / "hdfs-site.xml").read_text()
    assert "<name>dfs.datanode.hostname</name><value>datanode-2</value>" in site
    assert "<name>dfs.replication</name><value>3</value>" in site


def test_connections_and_executor_are_those_of_the_cluster(container, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", '{"conn_type": "smtp", "host": "mail.example.com"}')
    environment = airflow.environment(*container, ["database_password"], "pipeline")
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert json.loads(environment["AIRFLOW_CONN_SPARK_DEFAULT"])["host"] == "spark://spark-master"
    assert json.loads(environment["AIRFLOW_CONN_SMTP_DEFAULT"])["host"] == "mail.example.com"
    assert "127.0.0.1" not in json.dumps(
        connections.connections(container.cluster, container.settings, "pipeline")
    )
    kafka_extra = json.loads(environment["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
    assert (kafka_extra["sasl.username"], kafka_extra["sasl.password"]) == (
        "pipeline",
        f"{HARD_CHARACTERS} of kafka_pipeline_password",
    )
    database = json.loads(environment["AIRFLOW_CONN_AIRFLOW_DB"])
    assert (database["login"], database["password"]) == (
        "purge",
        f"{HARD_CHARACTERS} of database_purge_password",
    )


def test_passwords_in_urls_are_escaped(container):
    environment = airflow.environment(*container, ["database_password", "redis_password"])
    database = make_url(environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    assert (database.host, database.password) == ("postgres", f"{HARD_CHARACTERS} of database_password")
    for option in ("BROKER_URL", "RESULT_BACKEND"):
        redis_url = urlsplit(environment[f"AIRFLOW__CELERY__{option}"])
        assert redis_url.hostname == "redis"
        assert unquote(redis_url.password or "") == f"{HARD_CHARACTERS} of redis_password"


def test_airflow_expands_nothing_in_its_secrets(container):
    """Airflow replaces `$NAME` and a leading `~` in the values of its variables."""
    secrets = ["database_password", "redis_password", "fernet_key", "api_secret_key", "jwt_secret"]
    with_secrets, without = airflow.environment(*container, secrets), airflow.environment(*container, [])
    added = with_secrets.keys() - without.keys()
    assert len(added) == 6
    assert not [name for name in added if "$" in with_secrets[name] or with_secrets[name].startswith("~")]


def test_redis_gets_the_hashes_of_its_passwords(container):
    redis.prepare(container.settings)
    text = redis._CONFIG_FILE.read_text()
    assert redis._CONFIG_FILE.stat().st_mode & 0o777 == 0o600
    for user, secret in (("default", "redis_password"), ("monitor", "redis_monitor_password")):
        digest = sha256(f"{HARD_CHARACTERS} of {secret}".encode()).hexdigest()
        assert f"user {user} on #{digest} " in text
    assert HARD_CHARACTERS not in text
    assert "\nport 0\n" in text


def test_missing_secret_is_named_in_the_error(secrets_folder):
    (secrets_folder.folder / "redis_password").unlink()
    with pytest.raises(UserError, match="SHOPNOW_REDIS_PASSWORD"):
        redis_client.url()


def test_spark_reads_its_secret_from_a_private_file(container):
    SERVICES["spark-worker"].prepare(container)
    file = spark.CONF_DIR / "spark-defaults.conf"
    assert file.stat().st_mode & 0o777 == 0o600
    secret = spark.conf(container.cluster, container.settings)["spark.authenticate.secret"]
    assert f"spark.authenticate.secret {secret}\n" in file.read_text()
    assert secret not in " ".join(SERVICES["spark-worker"].command(container))
    assert set(secret) & set(HARD_CHARACTERS) <= set("abx=")


def test_postgres_requires_a_password_over_tls_from_remote_clients():
    remote = [line for line in postgres._FILES["pg_hba.conf"].splitlines() if line.startswith("host")]
    assert remote == ["hostssl airflow airflow,purge all scram-sha-256"]


def test_failed_health_check_names_the_service(container):
    health.SERVICE_FILE.write_text("redis")
    with pytest.raises(SystemExit, match="redis: "):
        health.main()


def test_health_check_of_a_container_that_starts_has_no_traceback(container):
    with pytest.raises(SystemExit, match="has not started its service yet"):
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
