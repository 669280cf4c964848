"""Totals of ledger rows, the ground truth of the pipeline; totals of parts add up to those of the whole."""

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.events import TOPIC_OF

DUPLICATE = "duplicate"


class SalesFigures(msgspec.Struct, kw_only=True):
    """Sales figures: orders by order date, payments and refunds by their own date; amounts in cents."""

    orders: int = 0
    units: int = 0
    gmv_cents: int = 0
    payments_failed: int = 0
    payments_succeeded_cents: int = 0
    refunds_cents: int = 0

    @property
    def net_revenue_cents(self) -> int:
        return self.payments_succeeded_cents - self.refunds_cents

    def add(self, other: "SalesFigures") -> None:
        for name in SalesFigures.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Demand(msgspec.Struct):
    """Demand for a product in pieces: requested; of these, unavailable; of these, lost sales."""

    wanted: int = 0
    unmet: int = 0
    lost: int = 0


class LedgerTotals(SalesFigures, kw_only=True):
    """Totals of ledger rows.

    An event counts once, however often it was sent; dates are UTC, by the event time as sent.
    """

    records: dict[str, int] = {}
    """Records sent, by topic."""
    events: dict[str, dict[str, int]] = {}
    """Events, by topic and event type."""
    faults: dict[str, int] = {}
    """Records with an injected fault, by fault."""
    days: dict[date, SalesFigures] = {}
    stock_changes: dict[str, int] = {}
    """Net stock change by product id; over the life of the shop, the stock on hand."""
    demand: dict[str, Demand] = {}
    """By product id."""

    def add(self, other: SalesFigures) -> None:
        super().add(other)
        if not isinstance(other, LedgerTotals):
            return
        _add_counts(self.records, other.records)
        _add_counts(self.faults, other.faults)
        _add_counts(self.stock_changes, other.stock_changes)
        for topic, types in other.events.items():
            _add_counts(self.events.setdefault(topic, {}), types)
        for day, figures in other.days.items():
            self.days.setdefault(day, SalesFigures()).add(figures)
        for product_id, demand in other.demand.items():
            total = self.demand.setdefault(product_id, Demand())
            total.wanted += demand.wanted
            total.unmet += demand.unmet
            total.lost += demand.lost


def from_rows(tables: Iterable[pa.Table]) -> LedgerTotals:
    """Compute the totals of tables of ledger rows, taken together."""
    totals = LedgerTotals()
    for table in tables:
        totals.add(_of_table(table))
    return totals


def from_demand(demand: Mapping[tuple[int, str], Demand]) -> LedgerTotals:
    """Compute the totals of demand by hour and product id."""
    totals = LedgerTotals()
    for (_, product_id), product_demand in demand.items():
        totals.add(LedgerTotals(demand={product_id: product_demand}))
    return totals


_AMOUNTS = {"payment_succeeded": "payments_succeeded_cents", "payment_refunded": "refunds_cents"}


def _of_table(table: pa.Table) -> LedgerTotals:
    totals = LedgerTotals()
    groups = table.select(["event_type", "fault", "quantity", "amount_cents"]).append_column(
        "date", pc.cast(table["event_time"], pa.date32())
    )
    sums = groups.group_by(["event_type", "fault", "date"]).aggregate(
        [([], "count_all"), ("quantity", "sum"), ("amount_cents", "sum")]
    )
    for row in sums.sort_by("date").to_pylist():
        type_, fault, count = row["event_type"], row["fault"], row["count_all"]
        _add_counts(totals.records, {_TOPIC_OF[type_]: count})
        if fault:
            _add_counts(totals.faults, {fault: count})
        if fault == DUPLICATE:
            continue
        _add_counts(totals.events.setdefault(_TOPIC_OF[type_], {}), {type_: count})
        figures = _figures(type_, count, row["quantity_sum"], row["amount_cents_sum"])
        if figures:
            totals.days.setdefault(row["date"], SalesFigures()).add(figures)
            SalesFigures.add(totals, figures)
    stock = table.select(["product_id", "fault", "quantity"]).filter(pc.is_valid(table["product_id"]))
    for row in (
        stock.group_by(["product_id", "fault"])
        .aggregate([("quantity", "sum")])
        .sort_by("product_id")
        .to_pylist()
    ):
        if row["fault"] != DUPLICATE:
            _add_counts(totals.stock_changes, {row["product_id"]: row["quantity_sum"]})
    return totals


_TOPIC_OF = {type_.__struct_config__.tag: topic.name for type_, topic in TOPIC_OF.items()}


def _figures(type_: str, count: int, quantity: int, amount: int) -> SalesFigures | None:
    match type_:
        case "order_placed":
            return SalesFigures(orders=count, units=quantity, gmv_cents=amount)
        case "payment_failed":
            return SalesFigures(payments_failed=count)
        case "payment_succeeded":
            return SalesFigures(payments_succeeded_cents=amount)
        case "payment_refunded":
            return SalesFigures(refunds_cents=amount)
    return None


def _add_counts(counts: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
