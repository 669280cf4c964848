"""Events like the examples of the docs, but for what a test is about, and the rows made of them."""

from datetime import date, datetime
from itertools import count
from typing import Any

import msgspec
from pyspark.sql import DataFrame

from shopnow.events import Event, OrderItem
from shopnow.examples import example

numbers = count()


def event(type_: type[Event], time: str, **fields: Any) -> Event:
    """An event of a type at a time; of those made for the same time the later one has the greater event_id."""
    id_ = f"0199d3f0-1111-7abc-8def-{next(numbers):012}"
    return msgspec.structs.replace(
        example(type_), **{"event_id": id_, "event_time": datetime.fromisoformat(time), **fields}
    )


def item(product: str, quantity: int, price: int, category: str = "sports", name: str = "") -> OrderItem:
    return OrderItem(
        product_id=product,
        product_name=name or product,
        category=category,
        quantity=quantity,
        unit_price_cents=price,
    )


def rows(frame: DataFrame, *columns: str) -> list[tuple]:
    """These columns of the rows, sorted; dates and times as ISO text."""
    return sorted(tuple(map(_text, row.values())) for row in frame.select(*columns).toArrow().to_pylist())


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
