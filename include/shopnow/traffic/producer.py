"""The Kafka producer of the simulated shop."""

from shopnow.broker import transactional_producer
from shopnow.broker.client import Conf
from shopnow.traffic import signature
from shopnow.traffic.state_reader import PRODUCER_HEADER

TRANSACTIONAL_ID = "shopnow-traffic"


class TransactionalProducer(transactional_producer.TransactionalProducer):
    """The producer of the run that owns the shop; creating it fences the producer of any earlier run.

    Records sent one by one, those of ledger, state and receipts, are signed; events are not, as the ledger
    has their positions and hashes.

    Raises:
        UserError: Kafka does not respond.
    """

    def __init__(self, conf: Conf) -> None:
        self._signing_key = signature.load(conf)
        super().__init__(conf, TRANSACTIONAL_ID, PRODUCER_HEADER, role="run of the shop")

    def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        signed = signature.headers_of(self._signing_key, topic, key, value)
        self._produce(topic, value, key, headers=[*self._headers, *signed])
