"""Try unauthorized access to every service of the compose stack, and print which attempts were denied.

Runs in a container of the stack as `python - ROLE`: `stranger` has no secret; the others have those of a
service: `triggers` of the triggerer, `tab` of the API server, `worker` of a Celery worker, `monitor` of the
service monitor. Exits 1 if an attempt did not end as expected.
"""

import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg2
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

BROKER = "kafka-1:9092"
AIRFLOW = "airflow-api-server:8080"
TIMEOUT_SECONDS = 10.0

Attempt = Callable[[], object]


def is_denied(attempt: Attempt, *errors: type[Exception]) -> bool:
    """Return whether the attempt raises one of the errors."""
    try:
        attempt()
    except errors:
        return True
    return False


def list_topics(**conf: str) -> object:
    client = AdminClient({"bootstrap.servers": BROKER, "log_level": 0, **conf})
    return client.list_topics(timeout=TIMEOUT_SECONDS)


def get(url: str, **headers: str) -> bytes:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        return response.read()


def ping_redis(with_tls: bool) -> None:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("redis", 6379), TIMEOUT_SECONDS) as plain:
        connection = tls.wrap_socket(plain) if with_tls else plain
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        # Redis closes a connection without TLS.
        if not connection.recv(100).startswith(b"+PONG"):
            raise PermissionError


def connect_to_postgres(user: str, sslmode: str = "require") -> None:
    psycopg2.connect(
        host="postgres",
        dbname="airflow",
        user=user,
        password="guessed",
        sslmode=sslmode,
        connect_timeout=int(TIMEOUT_SECONDS),
    ).close()


def kill_on_page_of_spark(path: str) -> None:
    """Send the form of a kill link to the master's pages.

    Raises:
        PermissionError: it was refused, or the page has no such form and shows the master instead.
    """
    request = urllib.request.Request(f"http://spark-master:8080{path}", b"id=none&terminate=true")
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
            raise PermissionError
    except urllib.error.HTTPError as error:
        # The forms answer with a redirection to the start page.
        if error.code not in {301, 302, 303, 307}:
            raise PermissionError from None


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        return None


def connect_to_spark_rest() -> None:
    socket.create_connection(("spark-master", 6066), TIMEOUT_SECONDS).close()


def probe_as_stranger() -> dict[str, bool]:
    """Return for each attempt whether it was denied."""
    wrong_password = {
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "pipeline",
        "sasl.password": "guessed",
        "security.protocol": "SASL_SSL",
        "enable.ssl.certificate.verification": "false",
    }

    def kafka_denies(**conf: str) -> bool:
        return is_denied(lambda: list_topics(**conf), KafkaException)

    def postgres_denies(user: str, sslmode: str = "require") -> bool:
        return is_denied(lambda: connect_to_postgres(user, sslmode), psycopg2.OperationalError)

    def spark_denies(path: str) -> bool:
        return is_denied(lambda: kill_on_page_of_spark(path), PermissionError)

    def http_denies(url: str, **headers: str) -> bool:
        return is_denied(lambda: get(url, **headers), urllib.error.HTTPError)

    return {
        "Kafka without TLS": kafka_denies(),
        "Kafka with a wrong password": kafka_denies(**wrong_password),
        "PostgreSQL with a wrong password": postgres_denies("airflow"),
        "PostgreSQL as superuser": postgres_denies("postgres"),
        "PostgreSQL without TLS": postgres_denies("airflow", "disable"),
        "Redis without password": is_denied(lambda: ping_redis(with_tls=True), PermissionError),
        "Redis without TLS": is_denied(lambda: ping_redis(with_tls=False), PermissionError, OSError),
        "killing a Spark application on the master's page": spark_denies("/app/kill/"),
        "killing a Spark driver on the master's page": spark_denies("/driver/kill/"),
        "Spark's REST submission": is_denied(connect_to_spark_rest, OSError),
        "Airflow's API without token": http_denies(f"http://{AIRFLOW}/api/v2/dags"),
        "Airflow's API with a wrong token": http_denies(
            f"http://{AIRFLOW}/api/v2/dags", Authorization="Bearer guessed"
        ),
        "the tab without login": http_denies(f"http://{AIRFLOW}/shopnow/api/orders"),
        "the lake by WebHDFS without user": http_denies(
            "http://namenode:9870/webhdfs/v1/shopnow?op=LISTSTATUS"
        ),
    }


class KafkaUser:
    """A user of Kafka, whose secrets this container has."""

    def __init__(self, name: str) -> None:
        from shopnow.cluster.connections import kafka
        from shopnow.cluster.settings import ClusterSettings
        from shopnow.settings import Settings

        self.conf = kafka(ClusterSettings(), Settings(), name)

    def can_read(self, topic: str) -> bool:
        # Without a group of its own, as the ACLs have none for it; a partition is read without one, too.
        options = {"group.id": "none", "enable.partition.eof": True, "auto.offset.reset": "earliest"}
        consumer = Consumer({**self.conf, **options})
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(TIMEOUT_SECONDS)
        while _error(message) == "GROUP_AUTHORIZATION_FAILED":
            message = consumer.poll(TIMEOUT_SECONDS)
        consumer.close()
        return _error(message) in {"", "_PARTITION_EOF"}

    def can_write(self, topic: str) -> bool:
        failures = []
        producer = Producer({**self.conf, "message.timeout.ms": int(TIMEOUT_SECONDS * 1000)})
        producer.produce(topic, b"{}", on_delivery=lambda error, message: failures.append(error is not None))
        producer.flush(TIMEOUT_SECONDS)
        return failures == [False]

    def can_use(self, transactional_id: str) -> bool:
        producer = Producer({**self.conf, "transactional.id": transactional_id})
        return not is_denied(lambda: producer.init_transactions(TIMEOUT_SECONDS), KafkaException)

    def can_list_brokers(self) -> bool:
        return bool(list_topics(**self.conf).brokers)


def _error(message: Message | None) -> str:
    """Return the name of a message's error; empty without one."""
    if message is None:
        return "no message"
    return message.error().name() if message.error() else ""


def probe_as_triggers() -> dict[str, bool]:
    """Return for each permission of the triggerer's Kafka user whether it is as its ACLs require."""
    user = KafkaUser("triggers")
    return {
        "may read stock": user.can_read("stock"),
        "may not read orders": not user.can_read("orders"),
        "may not read the ledger": not user.can_read("ledger"),
        "may not write stock": not user.can_write("stock"),
    }


def probe_as_tab() -> dict[str, bool]:
    user = KafkaUser("tab")
    return {
        "may read stock": user.can_read("stock"),
        "may send as the tab": user.can_use("shopnow-send-shopnow_tab/access-probe"),
        "may not fence the traffic generator": not user.can_use("shopnow-traffic"),
        "may not fence send_events": not user.can_use("shopnow-send-send_events/run"),
        "may not write stock": not user.can_write("stock"),
        "may not write the ledger": not user.can_write("ledger"),
    }


def probe_as_worker() -> dict[str, bool]:
    from shopnow.cluster import redis_client

    user = KafkaUser("pipeline")
    return {
        "may use its own transactional ids": user.can_use("shopnow-send-cli/access-probe"),
        "may not fence the tab": not user.can_use("shopnow-send-shopnow_tab/x"),
        "reaches its broker": redis_command(redis_client.AIRFLOW_USER, b"LLEN", b"default").startswith(b":"),
        "has neither the database's password nor a key of Airflow": not any(
            Path("/run/secrets", name).exists()
            for name in ("database_password", "fernet_key", "api_secret_key", "jwt_secret")
        ),
    }


def probe_as_monitor() -> dict[str, bool]:
    from shopnow.cluster import redis_client

    user, redis_user = KafkaUser("monitor"), redis_client.MONITOR_USER
    return {
        "may list brokers": user.can_list_brokers(),
        "may not read stock": not user.can_read("stock"),
        "may not write stock": not user.can_write("stock"),
        "may ping Redis": redis_command(redis_user, b"PING").startswith(b"+PONG"),
        "may not queue tasks": redis_command(redis_user, b"LPUSH", b"default", b"{}").startswith(b"-NOPERM"),
        "may not read results": redis_command(redis_user, b"GET", b"celery-task-meta").startswith(b"-NOPERM"),
        "may not change Redis": redis_command(redis_user, b"CONFIG", b"GET", b"*").startswith(b"-NOPERM"),
    }


def redis_command(user: str, *words: bytes) -> bytes:
    """Return Redis' answer to a command after a login."""
    from shopnow.cluster import redis_client

    login = (b"AUTH", user.encode(), redis_client.password(user).encode())
    with (
        socket.create_connection(("redis", 6379), TIMEOUT_SECONDS) as plain,
        redis_client.tls_context().wrap_socket(plain, server_hostname="redis") as connection,
    ):
        answers = connection.makefile("rb")
        for command in (login, words):
            encoded = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in command)
            connection.sendall(b"*%d\r\n%s" % (len(command), encoded))
            answer = answers.readline()
        return answer


PROBES = {
    "stranger": probe_as_stranger,
    "triggers": probe_as_triggers,
    "tab": probe_as_tab,
    "worker": probe_as_worker,
    "monitor": probe_as_monitor,
}

if __name__ == "__main__":
    results = PROBES[sys.argv[1]]()
    for attempt, is_expected in results.items():
        print(f"{'as expected' if is_expected else 'UNEXPECTED'}  {attempt}")
    sys.exit(not all(results.values()))
