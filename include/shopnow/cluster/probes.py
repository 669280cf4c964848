"""Probes: each asks one service, by its own protocol, whether it does its work.

The health check of each container uses them on its own service, the service monitor on all of them. At
import they need only the standard library, which loads fast, as the health check runs every few seconds.
"""

import json
import os
import smtplib
import socket
import subprocess
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from shopnow.cluster import kafka_client, redis_client
from shopnow.cluster.secret_files import read_secret

TIMEOUT_SECONDS = 5
HEARTBEAT_SECONDS = 60
"""Age from which the last heartbeat of an Airflow process or a DataNode is too old."""
NAMENODE_PORT = 9870
DATANODE_PORT = 9864
SPARK_MASTER = "spark-master"
AIRFLOW = "airflow-api-server"


class ProbeError(Exception):
    """The service does not answer, or its answer is an error."""


def kafka(host: str, user: str) -> bool:
    """Return whether the broker answers a login, and its cluster counts it among the live brokers."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    conf = {"bootstrap.servers": f"{host}:{kafka_client.PORT}", "log_level": 0, **kafka_client.login(user)}
    try:
        brokers = AdminClient(conf).list_topics(timeout=TIMEOUT_SECONDS).brokers
    except KafkaException as error:
        raise ProbeError(error.args[0].str()) from None
    return any(broker.host == host for broker in brokers.values())


def namenode(host: str) -> bool:
    """Return whether the NameNode has left safe mode, so that files can be written."""
    [info] = _get_json(host, NAMENODE_PORT, "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")["beans"]
    return not info["Safemode"]


def datanode(host: str) -> bool:
    """Return whether the DataNode is registered with the NameNode, which has answered a heartbeat lately."""
    [info] = _get_json(host, DATANODE_PORT, "/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo")["beans"]
    connections = json.loads(info["BPServiceActorInfo"])
    return bool(connections) and all(
        connection["ActorState"] == "RUNNING" and int(connection["LastHeartbeat"]) < HEARTBEAT_SECONDS
        for connection in connections
    )


def spark_master(host: str) -> bool:
    return _get_json(host, 8080, "/json/")["status"] == "ALIVE"


def spark_worker(host: str) -> bool:
    """Return whether the master counts every worker at the host's addresses among the live workers."""
    own_ids = {_get_json(address, 8081, "/json/")["id"] for address in _addresses(host)}
    workers = _get_json(SPARK_MASTER, 8080, "/json/")["workers"]
    return own_ids <= {worker["id"] for worker in workers if worker["state"] == "ALIVE"}


def http(host: str, port: int, path: str) -> bool:
    """Return whether the service answers with status 200."""
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=TIMEOUT_SECONDS) as response:
        return response.status == 200


def smtp(host: str) -> bool:
    with smtplib.SMTP(host, 1025, timeout=TIMEOUT_SECONDS) as client:
        return client.noop()[0] == 250


def redis(address: str, user: str) -> bool:
    """Return whether Redis answers a login and a ping."""
    commands = [(b"AUTH", user.encode(), redis_client.password(user).encode()), (b"PING",)]
    tls = redis_client.tls_context()
    with (
        socket.create_connection((address, redis_client.PORT), TIMEOUT_SECONDS) as connection,
        tls.wrap_socket(connection, server_hostname=redis_client.HOST) as encrypted,
    ):
        for command in commands:
            words = (b"$%d\r\n%s\r\n" % (len(word), word) for word in command)
            encrypted.sendall(b"*%d\r\n%s" % (len(command), b"".join(words)))
        return encrypted.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"


def postgres_accepts_logins(host: str) -> bool:
    """Return whether PostgreSQL answers the first message of a login."""
    command = ["pg_isready", "-q", "-h", host, "-U", "airflow", "-t", str(TIMEOUT_SECONDS)]
    return subprocess.run(command, check=False).returncode == 0


def postgres_query(host: str, query: str, *arguments: str) -> bool:
    """Return whether a query, run as Airflow's role, returns true."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=host,
            dbname="airflow",
            user="airflow",
            password=read_secret("database_password"),
            sslmode="require",
            channel_binding="require",
            connect_timeout=TIMEOUT_SECONDS,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return bool(cursor.fetchone()[0])
    except psycopg2.Error as error:
        raise ProbeError(str(error).strip()) from None


def airflow_component(component: str) -> bool:
    """Return whether the API server calls a component of Airflow healthy."""
    # Airflow serves everything below the path of its address.
    path = urlsplit(os.environ.get("AIRFLOW__API__BASE_URL", "")).path.rstrip("/")
    return _get_json(AIRFLOW, 8080, f"{path}/api/v2/monitor/health")[component]["status"] == "healthy"


def airflow_heartbeat(job_type: str) -> bool:
    """Return whether the Airflow process of this container has a recent heartbeat in the database."""
    return postgres_query(
        "postgres",
        "SELECT EXISTS (SELECT FROM job WHERE job_type = %s AND hostname = %s AND state = 'running'"
        " AND latest_heartbeat > now() - make_interval(secs => %s))",
        job_type,
        socket.gethostname(),
        str(HEARTBEAT_SECONDS),
    )


def airflow_worker(host: str, user: str) -> bool:
    """Return whether every Celery worker at the host's addresses answers a ping through the broker.

    That is the way in which workers receive tasks.

    Args:
        user: user of Redis.
    """
    url = redis_client.url(user=user)
    from celery import Celery

    try:
        answers = Celery(broker=url).control.ping(timeout=TIMEOUT_SECONDS / 2)
    except Exception as error:  # of Celery or of the Redis client; its text may contain the URL
        raise ProbeError(f"Celery's broker does not answer ({type(error).__name__})") from None
    answering = {
        address for answer in answers for name in answer for address in _addresses(name.partition("@")[2])
    }
    return _addresses(host) <= answering


def _addresses(host: str) -> set[str]:
    """Return the addresses of the running containers that have this name."""
    return {str(info[4][0]) for info in socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)}


def _get_json(host: str, port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=TIMEOUT_SECONDS) as response:
        return json.load(response)
