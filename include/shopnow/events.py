"""The single definition of ShopNow+'s topics and event types.

JSON decoding and validation, the JSON Schemas, the Arrow and Spark schemas (`shopnow.schemas`) and the docs
are all derived from these structs.

Money is integer cents with a `currency` field; times are RFC 3339 in UTC with milliseconds.

A new schema version may only add optional fields with a default of None, which are omitted from the JSON when
unset. Records of all versions up to `SCHEMA_VERSION` are readable; those of a later version stay in
quarantine until this module supports it.
"""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Union

import msgspec
from msgspec import Meta

from shopnow.iso_codes import COUNTRIES, CURRENCIES

SCHEMA_VERSION = 2

MAX_ITEMS = 1000
"""Items of an order; the largest real baskets seen have 161, and 1,000 are far below the size limit."""

FREE_TEXT = frozenset({"address", "reason"})
"""Fields whose text may have several lines; every other text has no control character."""

_EVENT_ID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-7[0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$"

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=500)]
Time = Annotated[datetime, Meta(tz=True)]
Cents = Annotated[int, Meta(ge=0, le=10**12)]
Quantity = Annotated[int, Meta(ge=1, le=10**6)]
if TYPE_CHECKING:
    Currency = str
    Country = str
else:
    # The decoder looks a literal up in a table, which is faster than copying the text.
    Currency = Annotated[Literal[tuple(sorted(CURRENCIES))], Meta(description="ISO 4217 code, upper case")]
    Country = Annotated[
        Literal[tuple(sorted(COUNTRIES))], Meta(description="ISO 3166-1 alpha-2 code, upper case")
    ]
Share = Annotated[float, Meta(ge=0, le=1)]
Method = Literal["card", "debit", "paypal", "transfer"]


class Event(msgspec.Struct, tag_field="event_type", kw_only=True, gc=False):
    """Fields common to all events; `event_type` is the struct's tag."""

    event_id: Annotated[
        str,
        Meta(
            min_length=36,
            max_length=36,
            description="UUIDv7, globally unique; compared in lower case",
            extra_json_schema={"pattern": _EVENT_ID},
        ),
    ]
    event_time: Annotated[datetime, Meta(tz=True, description="time of the event, UTC")]
    schema_version: Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)]


class ProductViewed(Event, tag="product_viewed"):
    session_id: Id
    customer_id: Id
    product_id: Id
    category: Text
    unit_price_cents: Cents
    currency: Currency


class CartItemAdded(Event, tag="cart_item_added"):
    session_id: Id
    customer_id: Id
    product_id: Id
    quantity: Quantity
    unit_price_cents: Cents
    currency: Currency


class CartItemRemoved(Event, tag="cart_item_removed"):
    session_id: Id
    customer_id: Id
    product_id: Id
    quantity: Quantity


class OrderItem(msgspec.Struct, kw_only=True, gc=False):
    product_id: Id
    product_name: Text
    category: Text
    quantity: Quantity
    unit_price_cents: Cents


class OrderPlaced(Event, tag="order_placed", omit_defaults=True):
    order_id: Id
    session_id: Id
    customer_id: Id
    customer_name: Text
    country: Country
    items: Annotated[list[OrderItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    discount_cents: Cents
    total_cents: Annotated[int, Meta(ge=0, le=10**12, description="Σ quantity × unit price − discount")]
    currency: Currency
    address: Text
    coupon: Annotated[Text | None, Meta(description="coupon code behind the discount; since version 2")] = (
        None
    )


class OrderCancelled(Event, tag="order_cancelled"):
    order_id: Id
    reason: Text


class Payment(Event):
    payment_id: Id
    order_id: Id
    method: Method
    amount_cents: Cents
    currency: Currency
    attempt: Annotated[int, Meta(ge=1, le=100)]


class PaymentSucceeded(Payment, tag="payment_succeeded"):
    pass


class PaymentFailed(Payment, tag="payment_failed"):
    reason: Text


class PaymentRefunded(Payment, tag="payment_refunded"):
    reason: Text


class Delivery(Event):
    delivery_id: Id
    order_id: Id
    address: Text
    promised_at: Time
    progress: Share


class DeliveryCreated(Delivery, tag="delivery_created"):
    """The parcel is pending."""


class DeliveryInTransit(Delivery, tag="delivery_in_transit"):
    pass


class DeliveryDelivered(Delivery, tag="delivery_delivered"):
    pass


class Stock(Event):
    product_id: Id
    product_name: Text
    quantity_change: Annotated[int, Meta(ge=-(10**9), le=10**9)]
    quantity_after: Annotated[int, Meta(ge=0, le=10**9)]


class StockSold(Stock, tag="stock_sold"):
    order_id: Id


class StockRestocked(Stock, tag="stock_restocked"):
    pass


class StockAdjusted(Stock, tag="stock_adjusted"):
    """A stock correction, or the opening stock of a product."""

    reason: Text


class _Untagged(Event, tag="\0"):
    """Matches no record; it makes every union have two types, as msgspec ignores the tag of a single type."""

    never: Annotated[int, Meta(ge=1, le=0)]


class Topic(NamedTuple):
    """A Kafka topic; `key` is the event field used as record key, which determines the order."""

    name: str
    key: str
    types: tuple[type[Event], ...]

    def decoder(self) -> msgspec.json.Decoder:
        """Build a decoder of this topic's record values.

        It raises `msgspec.ValidationError` or `msgspec.DecodeError` for invalid records.
        """
        return msgspec.json.Decoder(Union[_Untagged, *self.types])


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic("views", "session_id", (ProductViewed,)),
        Topic("carts", "session_id", (CartItemAdded, CartItemRemoved)),
        Topic("orders", "order_id", (OrderPlaced, OrderCancelled)),
        Topic("payments", "order_id", (PaymentSucceeded, PaymentFailed, PaymentRefunded)),
        Topic("deliveries", "order_id", (DeliveryCreated, DeliveryInTransit, DeliveryDelivered)),
        Topic("stock", "product_id", (StockSold, StockRestocked, StockAdjusted)),
    )
}

TOPIC_OF: dict[type[Event], Topic] = {type_: topic for topic in TOPICS.values() for type_ in topic.types}

_encoder = msgspec.json.Encoder()
# msgspec writes microseconds, whose last three digits are always zero in events. The literal prefix with a
# lookbehind lets the regex engine skip ahead, which is eight times as fast as matching the whole time.
_microseconds = re.compile(rb'000Z"(?<=T\d\d:\d\d:\d\d\.\d{3}000Z")')


def encode(event: Event) -> bytes:
    """Encode the event as one JSON object, with times in milliseconds."""
    return _microseconds.sub(b'Z"', _encoder.encode(event))


def key(event: Event) -> bytes:
    """Return the event's Kafka record key; records with the same key stay in order."""
    return getattr(event, TOPIC_OF[type(event)].key).encode()
