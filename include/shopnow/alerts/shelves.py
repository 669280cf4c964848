"""What is on the shelves now."""

from datetime import datetime
from typing import NamedTuple

from shopnow.broker.client import Conf
from shopnow.kpis import STOCK_POSITION
from shopnow.lake import tables


class Shelf(NamedTuple):
    """A product's stock; `at` is the time of the last event it rests on, UTC."""

    product_id: str
    product_name: str
    quantity: int
    at: datetime


def current(conf: Conf | None, lake: str) -> list[Shelf]:
    """The stock of every product, by product id."""
    if not tables.exists(lake, STOCK_POSITION.name):
        return []
    columns = ["product_id", "product_name", "quantity", "last_event_time"]
    rows = tables.read(tables.open_table(lake, STOCK_POSITION.name), columns).to_pylist()
    return sorted(Shelf(*(row[column] for column in columns)) for row in rows)
