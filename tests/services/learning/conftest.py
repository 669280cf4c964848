"""A stack for labs and drills: both do to it what a shared Kafka must not have done."""

import json
import os
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from shopnow import connections
from shopnow.broker import topics
from shopnow.settings import Settings
from shopnow.traffic.generate import generate
from support.dag_thread import Dags
from support.storage_services import run_kafka_with_shared_hdfs


class Stack(NamedTuple):
    """A Kafka of its own and a lake with a day of traffic, which a thread keeps up to date."""

    settings: Settings
    variables: dict[str, str]
    """The connections to it, by environment variable."""
    dags: Dags


@pytest.fixture(scope="session")
def stack(tmp_path_factory, refresh) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("learning")
    is_parallel = "PYTEST_XDIST_WORKER" in os.environ
    # Only the directory of the run is shared by its processes.
    hdfs = (tmp_path_factory.getbasetemp().parent if is_parallel else folder) / "hdfs"
    with run_kafka_with_shared_hdfs(folder / "kafka", hdfs) as settings:
        active = connections.local_defaults(settings)
        lake = f"{settings.lake_uri}/{uuid.uuid4()}"
        active["webhdfs_default"]["extra"]["lake"] = lake
        conf = connections.kafka_conf(active)
        topics.create(conf, topics.shop_topics(partitions=3))
        generate(conf, "the day before", sessions=30, seed=1)
        dags = Dags(conf, lake, refresh)
        dags.run_once()
        variables = {connections.variable_name(id_): json.dumps(active[id_]) for id_ in active}
        with dags.running():
            yield Stack(settings, variables, dags)
