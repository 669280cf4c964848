"""How a container becomes a service: where it finds the others, and where its secrets are."""

import json
from zipfile import ZipFile

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
    run,
    services,
    settings,
    spark,
    tools,
)
from shopnow.cluster.services import SERVICES, Container
from shopnow.cluster.settings import Cluster
from shopnow.cluster.tools import TOOLS
from shopnow.errors import UserError
from shopnow.local_stack import hdfs, jars, java, kafka
from shopnow.settings import Settings


@pytest.fixture
def container(tmp_path, monkeypatch):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in make_secrets.made().items():
        (secrets / name).write_text(value if value.startswith("-----") else f"the {name}\n")
    for module in (settings, connections, services):
        monkeypatch.setattr(module, "SECRETS", secrets)
    monkeypatch.setattr(spark, "CONF_DIR", tmp_path / "spark")
    return Container(Cluster(), Settings(data_dir=tmp_path / "data"), java.java_home(tmp_path))


def test_three_brokers_are_one_cluster(container, monkeypatch):
    jars.install(container.java, container.settings.maven_mirror, services=["kafka"])
    monkeypatch.setattr("shopnow.cluster.services.host", lambda: "kafka-2")
    SERVICES["kafka"].prepare(container)
    home = kafka.local(container.settings).home
    written = dict(line.split("=", 1) for line in (home / "server.properties").read_text().splitlines())
    assert written["node.id"] == "2"
    assert written["advertised.listeners"].startswith("CLIENT://kafka-2:")
    assert written["default.replication.factor"] == written["transaction.state.log.replication.factor"] == "3"
    assert written["min.insync.replicas"] == written["transaction.state.log.min.isr"] == "2"
    assert written["listener.security.protocol.map"] == "CLIENT:SASL_SSL,BROKER:SSL,CONTROLLER:SSL"
    assert "PLAINTEXT" not in (home / "server.properties").read_text()
    first = (home / "data" / "meta.properties").read_text()
    other = container._replace(settings=Settings(data_dir=container.settings.data_dir / "other"))
    monkeypatch.setattr("shopnow.cluster.services.host", lambda: "kafka-3")
    SERVICES["kafka"].prepare(other)
    second = (kafka.local(other.settings).home / "data" / "meta.properties").read_text()
    assert _property(first, "cluster.id") == _property(second, "cluster.id")
    assert _property(first, "directory.id") != _property(second, "directory.id")


def test_a_fourth_broker_joins_the_cluster_of_three_without_a_vote(container, monkeypatch):
    jars.install(container.java, container.settings.maven_mirror, services=["kafka"])

    def prepared(name: str, hosts: str) -> dict[str, str]:
        it = container._replace(
            cluster=Cluster(kafka_hosts=hosts), settings=Settings(data_dir=container.settings.data_dir / name)
        )
        monkeypatch.setattr("shopnow.cluster.services.host", lambda: name)
        SERVICES["kafka"].prepare(it)
        home = kafka.local(it.settings).home
        files = (home / "server.properties", home / "data" / "meta.properties")
        return dict(
            line.split("=", 1) for file in files for line in file.read_text().splitlines() if "=" in line
        )

    one_of_three = prepared("kafka-1", "kafka-1,kafka-2,kafka-3")
    fourth = prepared("kafka-4", "kafka-1,kafka-2,kafka-3,kafka-4")
    assert fourth["cluster.id"] == one_of_three["cluster.id"]
    assert (
        fourth["controller.quorum.bootstrap.servers"] == one_of_three["controller.quorum.bootstrap.servers"]
    )
    assert (fourth["node.id"], fourth["process.roles"]) == ("4", "broker")
    assert "CONTROLLER" not in fourth["listeners"]


def test_a_broker_that_is_not_in_the_list_is_told_so(container, monkeypatch):
    monkeypatch.setattr("shopnow.cluster.services.host", lambda: "kafka-4")
    with pytest.raises(UserError, match="kafka-4 is not in SHOPNOW_KAFKA_HOSTS"):
        SERVICES["kafka"].prepare(container)


def test_certificate_is_for_brokers_that_may_come_as_well():
    [certificate] = x509.load_pem_x509_certificates(make_secrets.made()["kafka_certificate"].encode())
    names = certificate.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName)
    assert {*Cluster().brokers, "kafka-4"} <= set(names)


def test_every_tool_is_in_the_jars(container):
    jars.install(container.java, container.settings.maven_mirror, services=["kafka", "hdfs"])
    for name in (*tools.KAFKA, *tools.HDFS):
        command = TOOLS[name].command(container)
        places = command[command.index("-cp") + 1].split(":")
        main = next(word for word in command if word.startswith("org.apache.")).replace(".", "/")
        assert any(
            f"{main}.class" in ZipFile(place).namelist() for place in places if place.endswith(".jar")
        ), name


def test_what_is_not_known_is_said_with_what_there_is():
    with pytest.raises(UserError, match=r"nothing is called kafka-topic: .* kafka-topics"):
        run.main("kafka-topic")


def test_kafka_tools_keep_the_password_to_themselves(container, monkeypatch, tmp_path):
    monkeypatch.setattr(tools, "CLIENT", tmp_path / "admin.properties")
    TOOLS["kafka-topics"].prepare(container)
    assert tools.CLIENT.stat().st_mode & 0o777 == 0o600
    assert 'password="the kafka_admin_password"' in tools.CLIENT.read_text()
    assert "the kafka_admin_password" not in " ".join(TOOLS["kafka-topics"].command(container))


def _property(text: str, name: str) -> str:
    [value] = [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]
    return value


def test_a_datanode_is_known_by_its_own_name(container, monkeypatch):
    monkeypatch.setattr("shopnow.cluster.services.host", lambda: "datanode-2")
    SERVICES["datanode"].prepare(container)
    site = (hdfs.local(container.settings).home / "conf" / "hdfs-site.xml").read_text()
    assert "<name>dfs.datanode.hostname</name><value>datanode-2</value>" in site
    assert "<name>dfs.replication</name><value>3</value>" in site


def test_only_the_connections_and_the_executor_are_others(container, monkeypatch):
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


def test_a_secret_that_is_missing_is_named(container):
    (settings.SECRETS / "redis_password").unlink()
    with pytest.raises(UserError, match="SHOPNOW_REDIS_PASSWORD"):
        airflow.broker_url()


def test_spark_is_given_its_secret_in_a_file_of_its_own(container):
    SERVICES["spark-worker"].prepare(container)
    file = spark.CONF_DIR / "spark-defaults.conf"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "spark.authenticate.secret the spark_secret\n" in file.read_text()
    assert "the spark_secret" not in " ".join(SERVICES["spark-worker"].command(container))


def test_the_database_takes_nobody_without_a_password():
    remote = [line for line in postgres._ACCESS.splitlines() if line.startswith("host")]
    assert remote == ["host airflow airflow all scram-sha-256"]


def test_a_container_that_is_not_well_says_which(tmp_path, monkeypatch):
    monkeypatch.setattr(health, "SERVICE", tmp_path / "service")
    health.SERVICE.write_text("redis")
    with pytest.raises(SystemExit, match="redis: "):
        health.main()


def test_nobody_but_the_pipeline_writes_the_ledger():
    writers = {
        acl.principal
        for acl in kafka_users.acls()
        if acl.operation == AclOperation.WRITE and acl.name == "ledger"
    }
    assert writers == {"User:pipeline"}
    assert not [acl for acl in kafka_users.acls() if acl.name == "*"]


def test_the_scheduler_is_nobody_to_kafka(container):
    assert "AIRFLOW_CONN_KAFKA_DEFAULT" not in SERVICES["airflow-scheduler"].environment(container)
