"""The Kafka producer of the simulated shop."""

from shopnow.broker import transactional_producer
from shopnow.broker.client import Conf
from shopnow.traffic.state_reader import PRODUCER_HEADER

TRANSACTIONAL_ID = "shopnow-traffic"


class TransactionalProducer(transactional_producer.TransactionalProducer):
    """The producer of the run that owns the shop; creating it fences the producer of any earlier run.

    Raises:
        UserError: Kafka does not respond.
    """

    def __init__(self, conf: Conf) -> None:
        super().__init__(conf, TRANSACTIONAL_ID, PRODUCER_HEADER, role="run of the shop")
