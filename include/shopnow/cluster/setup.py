"""Initialize what Airflow needs: its database schema, Kafka's topics and users, directories on HDFS.

    python -m shopnow.cluster.setup

Idempotent; the service `setup` runs it whenever the stack starts.
"""

import subprocess
import sys

from confluent_kafka.admin import NewTopic
from hdfs_native import Client

from shopnow import connections as active_connections
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.cluster import airflow, connections, kafka_users, spark
from shopnow.cluster.secret_files import read_secret
from shopnow.cluster.settings import POSTGRES
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.history import airflow_database
from shopnow.local_stack import airflow as local_airflow
from shopnow.local_stack import supervision
from shopnow.local_stack.postgres import PURGE_ROLE, ROLE
from shopnow.settings import Settings

KAFKA_TIMEOUT_SECONDS = 300


def prepare(settings: Settings) -> None:
    """Migrate the database and create the topics, users, ACLs and directories that do not exist.

    Raises:
        UserError: a secret is not mounted, or Kafka is unreachable or rejects a request.
        subprocess.CalledProcessError: the database migration failed.
    """
    passwords = user_passwords()
    subprocess.run(local_airflow.command("db", "migrate"), check=True)
    airflow_database.grant(
        {"host": POSTGRES, "user": ROLE, "password": read_secret("database_password"), "dbname": ROLE},
        PURGE_ROLE,
    )
    conf = active_connections.kafka_conf(active_connections.load(settings))
    shop_topics = topics.shop_topics(settings.topic_partitions, settings.kafka_retention_days)
    supervision.wait_until(lambda: _can_create(conf, shop_topics), KAFKA_TIMEOUT_SECONDS, interval=1)
    topics.create(conf, shop_topics)
    topics.set_retention(conf, TOPICS, settings.kafka_retention_days)
    kafka_users.set_passwords(conf, passwords)
    kafka_users.set_acls(conf)
    address, _, lake = connections.lake(settings).removeprefix("hdfs://").partition("/")
    hdfs = Client(f"hdfs://{address}")
    for path, mode in ((f"/{lake}", 0o750), (spark.EVENT_LOGS, 0o750), (airflow.TASK_LOGS, 0o700)):
        hdfs.mkdirs(path, mode, create_parent=True)


def user_passwords() -> dict[str, str]:
    """Return the passwords of Kafka's users, without the superuser's.

    Raises:
        UserError: a secret is not mounted in this container.
    """
    return {user: read_secret(f"kafka_{user}_password") for user in kafka_users.ACCESS}


def _can_create(conf: Conf, shop_topics: list[NewTopic]) -> bool:
    """Try to create the topics; this fails until as many brokers have joined as topics have replicas."""
    try:
        topics.create(conf, shop_topics)
    except UserError:
        return False
    return True


if __name__ == "__main__":
    try:
        prepare(Settings.load())
    except UserError as error:
        sys.exit(str(error))
