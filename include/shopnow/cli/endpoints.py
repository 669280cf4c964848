"""Where the commands find Kafka and the lake."""

from shopnow import connections
from shopnow.broker.client import Conf
from shopnow.lake.delta import errors
from shopnow.settings import Settings


def addresses() -> tuple[Conf, str]:
    """The Kafka configuration, which complains by itself, and the lake's address, at which someone listens.

    Raises:
        UserError: no one does.
    """
    in_force = connections.load(Settings.load())
    conf, lake = connections.kafka_conf(in_force), connections.lake_uri(in_force)
    errors.check_answers(lake)
    return conf, lake
