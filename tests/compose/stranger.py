"""Knocks at every door of the compose stack, run in a container of it that has no secret; prints who let it in, which nobody should.

The command line of Python is `- ROLE`: `stranger` knows nothing; `triggers` is the service of that name, which may read one topic.
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
HOST = "airflow-api-server:8080"
SECONDS = 10.0


def refused_with(*errors: type[Exception]) -> Callable[[Callable[[], object]], bool]:
    def refused(knock: Callable[[], object]) -> bool:
        try:
            knock()
        except errors:
            return True
        return False

    return refused


def kafka(**conf: str) -> object:
    return AdminClient({"bootstrap.servers": BROKER, "log_level": 0, **conf}).list_topics(timeout=SECONDS)


def page(address: str, **headers: str) -> bytes:
    with urllib.request.urlopen(
        urllib.request.Request(address, headers=headers), timeout=SECONDS
    ) as response:
        return response.read()


def redis() -> None:
    with socket.create_connection(("redis", 6379), SECONDS) as connection:
        connection.sendall(b"*1\r\n$4\r\nPING\r\n")
        if connection.recv(100).startswith(b"-NOAUTH"):
            raise PermissionError


def postgres(user: str) -> None:
    psycopg2.connect(
        host="postgres", dbname="airflow", user=user, password="guessed", connect_timeout=int(SECONDS)
    ).close()


def spark() -> None:
    socket.create_connection(("spark-master", 6066), SECONDS).close()


def stranger() -> dict[str, bool]:
    """By door, whether it stayed shut."""
    wrong = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "pipeline", "sasl.password": "guessed"}
    no_check = {"security.protocol": "SASL_SSL", "enable.ssl.certificate.verification": "false"}
    http, kafka_error, database = (
        refused_with(urllib.error.HTTPError),
        refused_with(KafkaException),
        refused_with(psycopg2.OperationalError),
    )
    return {
        "Kafka without TLS": kafka_error(kafka),
        "Kafka with a wrong password": kafka_error(lambda: kafka(**no_check, **wrong)),
        "PostgreSQL with a wrong password": database(lambda: postgres("airflow")),
        "PostgreSQL as superuser": database(lambda: postgres("postgres")),
        "Redis without password": refused_with(PermissionError)(redis),
        "Spark's submission by HTTP": refused_with(OSError)(spark),
        "Airflow's API without token": http(lambda: page(f"http://{HOST}/api/v2/dags")),
        "Airflow's API with a wrong token": http(
            lambda: page(f"http://{HOST}/api/v2/dags", Authorization="Bearer guessed")
        ),
        "the tab without login": http(lambda: page(f"http://{HOST}/shopnow/api/orders")),
        "the lake by WebHDFS without user": http(
            lambda: page("http://namenode:9870/webhdfs/v1/shopnow?op=LISTSTATUS")
        ),
    }


def triggers() -> dict[str, bool]:
    """What the triggerer's user may not: by deed, whether it was kept from it."""
    from shopnow.cluster.connections import kafka as conf_of
    from shopnow.cluster.settings import Cluster
    from shopnow.settings import Settings

    conf = conf_of(Cluster(), Settings(), "triggers")

    def read(topic: str) -> bool:
        consumer = Consumer(
            {
                **conf,
                "group.id": "shopnow-stranger",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(SECONDS)
        consumer.close()
        return message is not None and (message.error() is None or message.error().name() == "_PARTITION_EOF")

    def write(topic: str) -> bool:
        refused = []
        producer = Producer({**conf, "message.timeout.ms": int(SECONDS * 1000)})
        producer.produce(topic, b"{}", on_delivery=lambda error, message: refused.append(error is not None))
        producer.flush(SECONDS)
        return refused == [False]

    return {
        "may read stock": read("stock"),
        "may not read orders": not read("orders"),
        "may not read the ledger": not read("ledger"),
        "may not write stock": not write("stock"),
    }


if __name__ == "__main__":
    found = {"stranger": stranger, "triggers": triggers}[sys.argv[1]]()
    for door, shut in found.items():
        print(f"{'as it should be' if shut else 'OPEN'}  {door}")
    sys.exit(not all(found.values()))
