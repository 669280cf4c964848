"""Which record of the `stock` topic is worth waking the pipeline for."""

from typing import TYPE_CHECKING

import msgspec

from shopnow.events import TOPICS, StockSold

if TYPE_CHECKING:
    from confluent_kafka import Message

_decoder = TOPICS["stock"].decoder()


def stock_out(message: "Message") -> str | None:
    """The id of the product the record says is sold out; None for any other record, a malformed one too."""
    try:
        event = _decoder.decode(message.value() or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return event.product_id if isinstance(event, StockSold) and event.quantity_after == 0 else None
