"""The simulated shop's producer."""

from shopnow.broker import transactional_producer
from shopnow.broker.client import Conf
from shopnow.traffic.state_reader import PRODUCER_HEADER

TRANSACTIONAL_ID = "shopnow-traffic"


class TransactionalProducer(transactional_producer.TransactionalProducer):
    """The producer of whoever runs the shop. There is one at a time: creating it ends the transactions of any earlier one for good.

    Raises:
        UserError: Kafka does not answer.
    """

    def __init__(self, conf: Conf) -> None:
        super().__init__(conf, TRANSACTIONAL_ID, PRODUCER_HEADER, who="run of the shop")
