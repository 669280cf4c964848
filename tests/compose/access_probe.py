"""Try unauthorized access to every service of the compose stack, and print which attempts were denied.

Runs in a container of the stack as `python - ROLE`: `stranger` has no secret; `triggers` is the Kafka user
of the triggerer, which may read one topic. Exits 1 if any attempt succeeded.
"""

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable

import psycopg2
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
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


def ping_redis() -> None:
    with socket.create_connection(("redis", 6379), TIMEOUT_SECONDS) as connection:
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        if connection.recv(100).startswith(b"-NOAUTH"):
            raise PermissionError


def connect_to_postgres(user: str) -> None:
    psycopg2.connect(
        host="postgres", dbname="airflow", user=user, password="guessed", connect_timeout=int(TIMEOUT_SECONDS)
    ).close()


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

    def postgres_denies(user: str) -> bool:
        return is_denied(lambda: connect_to_postgres(user), psycopg2.OperationalError)

    def http_denies(url: str, **headers: str) -> bool:
        return is_denied(lambda: get(url, **headers), urllib.error.HTTPError)

    return {
        "Kafka without TLS": kafka_denies(),
        "Kafka with a wrong password": kafka_denies(**wrong_password),
        "PostgreSQL with a wrong password": postgres_denies("airflow"),
        "PostgreSQL as superuser": postgres_denies("postgres"),
        "Redis without password": is_denied(ping_redis, PermissionError),
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


def probe_as_triggers() -> dict[str, bool]:
    """Return for each permission of the triggerer's Kafka user whether it is as its ACLs require."""
    from shopnow.cluster.connections import kafka
    from shopnow.cluster.settings import ClusterSettings
    from shopnow.settings import Settings

    conf = kafka(ClusterSettings(), Settings(), "triggers")

    def can_read(topic: str) -> bool:
        options = {
            "group.id": "shopnow-stranger",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        consumer = Consumer({**conf, **options})
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(TIMEOUT_SECONDS)
        consumer.close()
        return message is not None and (message.error() is None or message.error().name() == "_PARTITION_EOF")

    def can_write(topic: str) -> bool:
        failures = []
        producer = Producer({**conf, "message.timeout.ms": int(TIMEOUT_SECONDS * 1000)})
        producer.produce(topic, b"{}", on_delivery=lambda error, message: failures.append(error is not None))
        producer.flush(TIMEOUT_SECONDS)
        return failures == [False]

    return {
        "may read stock": can_read("stock"),
        "may not read orders": not can_read("orders"),
        "may not read the ledger": not can_read("ledger"),
        "may not write stock": not can_write("stock"),
    }


if __name__ == "__main__":
    results = {"stranger": probe_as_stranger, "triggers": probe_as_triggers}[sys.argv[1]]()
    for attempt, is_expected in results.items():
        print(f"{'as expected' if is_expected else 'UNEXPECTED'}  {attempt}")
    sys.exit(not all(results.values()))
