"""Endpoints of Kafka and the lake, from the connections in force."""

from shopnow import connections
from shopnow.broker.client import Conf
from shopnow.lake.delta import errors
from shopnow.settings import Settings


def endpoints() -> tuple[Conf, str]:
    """Return the Kafka client configuration and the lake's address, after checking that the lake answers.

    Raises:
        UserError: nothing listens at the lake's address.
    """
    active = connections.load(Settings.load())
    conf, lake = connections.kafka_conf(active), connections.lake_uri(active)
    errors.check_reachable(lake)
    return conf, lake
