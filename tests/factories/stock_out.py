"""A product that sells out."""

from datetime import UTC, datetime

from confluent_kafka import Producer

from factories.events import unique_event_id
from shopnow.events import SCHEMA_VERSION, StockSold, encode, key


def sold(product: str, left: int) -> StockSold:
    """Return the sale of a unit now, after which `left` units are in stock."""
    return StockSold(
        event_id=unique_event_id(),
        event_time=datetime.now(UTC),
        schema_version=SCHEMA_VERSION,
        product_id=product,
        product_name=product,
        quantity_change=-1,
        quantity_after=left,
        order_id="order",
    )


def sell_out(bootstrap_servers: str, product: str) -> None:
    """Send an event that sells the last unit of the product, and wait for its acknowledgement."""
    event = sold(product, 0)
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    producer.produce("stock", encode(event), key(event))
    assert producer.flush(30) == 0
