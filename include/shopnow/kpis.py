"""The KPI tables: what each holds, with every figure defined once, in words.

Money is integer cents in the row's `currency`; days and hours are UTC and an event belongs to those of its own
`event_time`, however late it came. The words are the comments of the tables' columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from shopnow.schemas import TIMESTAMP


class Kpi(NamedTuple):
    """A table `kpi/…`: its columns, the topics it is made from, and whether it is partitioned by its `date`."""

    name: str
    topics: tuple[str, ...]
    schema: pa.Schema
    partition_by: Sequence[str] = ("date",)

    @property
    def content(self) -> list[str]:
        """The columns that say what the KPI is, not when and from what it was made."""
        return [field.name for field in self.schema if field not in _PROOF]

    @property
    def figures(self) -> list[str]:
        """The columns that can be added up over rows of a date and currency."""
        return [field.name for field in self.schema if field.type == pa.int64() and field not in _PROOF]


def _field(name: str, kind: pa.DataType, definition: str) -> pa.Field:
    return pa.field(name, kind, metadata={"comment": definition})


_PROOF = (
    _field("raw_versions", pa.string(), "JSON: version of raw/{topic} the row was made from, by topic"),
    _field("computed_at", TIMESTAMP, "when the row was computed"),
    _field(
        "missing_rows", pa.int64(), "at most so many records of its topics were lost before they were read: 0 if complete, null if unknown"
    ),
    _field("losses", pa.list_(pa.string()), "ids, in the table `losses`, of the losses that may concern the row"),
    _field("audit", pa.string(), "what the latest audit by then had found: holds, or what does not hold; null before the first"),
)
_DATE = _field("date", pa.date32(), "day, UTC")
_CURRENCY = _field("currency", pa.string(), "ISO 4217 code; amounts of different currencies are never added")
_FIGURES = (
    _field("orders", pa.int64(), "orders placed"),
    _field("units", pa.int64(), "Σ quantity of orders placed"),
    _field("gmv_cents", pa.int64(), "gross merchandise value: Σ quantity × unit price of orders placed, before discounts"),
    _field("discount_cents", pa.int64(), "Σ discount of orders placed"),
    _field("payments_succeeded", pa.int64(), "payments succeeded"),
    _field("payments_failed", pa.int64(), "payment attempts failed"),
    _field("paid_cents", pa.int64(), "Σ amount of payments succeeded"),
    _field("refunds", pa.int64(), "payments refunded"),
    _field("refunds_cents", pa.int64(), "Σ amount of payments refunded"),
    _field("net_revenue_cents", pa.int64(), "payments succeeded − refunds, each when it happened"),
)

SALES_HOURLY = Kpi(
    "kpi/sales_hourly",
    ("orders", "payments"),
    pa.schema([_field("hour", TIMESTAMP, "start of the hour, UTC"), _DATE, _CURRENCY, *_FIGURES, *_PROOF]),
)
SALES_DAILY = Kpi("kpi/sales_daily", ("orders", "payments"), pa.schema([_DATE, _CURRENCY, *_FIGURES, *_PROOF]))
TOP_PRODUCTS = Kpi(
    "kpi/top_products",
    ("orders",),
    pa.schema(
        [
            _DATE,
            _CURRENCY,
            _field("rank", pa.int32(), "1 for the product with the highest gmv_cents of the day and currency"),
            _field("product_id", pa.string(), "the product"),
            _field("product_name", pa.string(), "its name in the day's latest order"),
            _field("category", pa.string(), "its category in the day's latest order"),
            _field("orders", pa.int64(), "orders placed that contain it"),
            _field("units", pa.int64(), "Σ quantity in orders placed"),
            _field("gmv_cents", pa.int64(), "Σ quantity × unit price in orders placed"),
            *_PROOF,
        ]
    ),
)
STOCK_POSITION = Kpi(
    "kpi/stock_position",
    ("stock",),
    pa.schema(
        [
            _field("product_id", pa.string(), "the product"),
            _field("product_name", pa.string(), "its name in its latest stock event"),
            _field("quantity", pa.int64(), "on hand after its latest stock event, by event time, then offset"),
            _field("sold_units", pa.int64(), "Σ units sold since the first stock event"),
            _field("last_event_time", TIMESTAMP, "time of its latest stock event"),
            _field("last_offset", pa.int64(), "offset of its latest stock event"),
            _field("stock_out", pa.bool_(), "whether nothing is left on hand"),
            *_PROOF,
        ]
    ),
    partition_by=(),
)

KPIS = (SALES_HOURLY, SALES_DAILY, TOP_PRODUCTS, STOCK_POSITION)
