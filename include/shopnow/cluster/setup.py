"""What has to be there before Airflow starts: its database, Kafka's topics and users, the folders on HDFS. Safe to repeat."""

import os
import subprocess
from pathlib import Path

from confluent_kafka.admin import NewTopic
from hdfs_native import Client

from shopnow import connections as in_force
from shopnow.broker import topics
from shopnow.broker.client import Conf
from shopnow.cluster import airflow, connections, kafka_users, spark
from shopnow.cluster.settings import Cluster, secret
from shopnow.errors import UserError
from shopnow.events import TOPICS
from shopnow.local_stack import airflow as local_airflow
from shopnow.local_stack import supervision
from shopnow.local_stack.kafka import SUPERUSER
from shopnow.settings import Settings

PATIENCE_SECONDS = 300


def prepare(cluster: Cluster, settings: Settings, java: Path) -> None:
    """Makes what is not there.

    Raises:
        UserError: Kafka does not answer, or refuses.
        subprocess.CalledProcessError: the database could not be migrated.
    """
    os.environ |= airflow.environment(cluster, settings, java, SUPERUSER)
    subprocess.run(local_airflow.command("db", "migrate"), check=True)
    conf = in_force.kafka(in_force.load(settings))
    wanted = topics.shop_topics(settings.topic_partitions, settings.kafka_retention_days)
    supervision.wait_until(lambda: _created(conf, wanted), PATIENCE_SECONDS, interval=1)
    topics.create(conf, wanted)
    topics.set_retention(conf, TOPICS, settings.kafka_retention_days)
    kafka_users.set_passwords(conf, {user: secret(f"kafka_{user}_password") for user in kafka_users.READS})
    kafka_users.allow(conf)
    address, _, folder = connections.lake(settings).removeprefix("hdfs://").partition("/")
    hdfs = Client(f"hdfs://{address}")
    for path, mode in ((f"/{folder}", 0o750), (spark.LOGS, 0o750), (airflow.TASK_LOGS, 0o700)):
        hdfs.mkdirs(path, mode, create_parent=True)


def _created(conf: Conf, wanted: list[NewTopic]) -> bool:
    """Whether there are as many brokers by now as topics have replicas."""
    try:
        topics.create(conf, wanted)
    except UserError:
        return False
    return True
