"""The shop's inventory: stock levels, demand, stock-outs and resupply."""

from collections.abc import Callable, Iterable

from shopnow.events import Stock, StockAdjusted, StockRestocked, StockSold
from shopnow.traffic.arrivals import HOUR
from shopnow.traffic.catalogue import CATALOGUE, PRODUCTS
from shopnow.traffic.event_buffer import KIND_INDEX, EventBuffer
from shopnow.traffic.json_templates import template
from shopnow.traffic.ledger_totals import Demand
from shopnow.traffic.scenarios import Conditions
from shopnow.traffic.state import Shop, StockLevel, StockOut

_BODIES: dict[type[Stock], dict[str, bytes]] = {
    kind: {
        product.product_id: template(kind, product_id=product.product_id, product_name=product.name)
        for product in CATALOGUE
    }
    for kind in (StockSold, StockRestocked, StockAdjusted)
}


class Inventory:
    """The shop's inventory during a segment of the simulation; changes go to the event buffer."""

    def __init__(self, shop: Shop, draw: Callable[[], float], buffer: EventBuffer) -> None:
        self.shop = shop
        self.buffer = buffer
        self.demand: dict[tuple[int, str], Demand] = {}
        """By the start of the hour in ms and the product id."""
        self.stock_outs: list[StockOut] = []
        """Stock-outs that began or ended, in that order."""
        self._draw = draw

    def stock_new_products(self) -> None:
        """Add the opening stock of the products that the shop does not have yet."""
        for product in CATALOGUE:
            if product.product_id not in self.shop.stock:
                self.shop.stock[product.product_id] = StockLevel(0, restocked_at=self.shop.clock)
                self._change(
                    StockAdjusted,
                    product.product_id,
                    product.opening_stock,
                    self.shop.clock,
                    b"opening stock",
                )

    def request(self, product_id: str, pieces: int) -> int:
        """Record the demand for some pieces, and return how many of them are available."""
        level = self.shop.stock[product_id]
        level.requested += pieces
        available = min(pieces, level.quantity)
        demand = self._demand_of(product_id)
        demand.wanted += pieces
        demand.unmet += pieces - available
        return available

    def record_lost_sale(self, product_id: str, pieces: int) -> None:
        """Record pieces that would have been sold had they been available."""
        self._demand_of(product_id).lost += pieces

    def sell(self, order_id: str, items: Iterable[tuple[str, int]], at: int) -> None:
        """Remove the items of a paid order from the stock."""
        for product_id, quantity in items:
            self._change(StockSold, product_id, -quantity, at, order_id.encode(), order_id)

    def put_back(self, items: Iterable[tuple[str, int]], at: int) -> None:
        """Return the items of a cancelled order to the stock."""
        for product_id, quantity in items:
            self._change(StockAdjusted, product_id, quantity, at, b"order cancelled")

    def reorder_if_low(self, product_id: str, conditions: Conditions) -> int | None:
        """Order from the supplier if stock is low; return the delivery time, None if nothing was ordered."""
        level, product = self.shop.stock[product_id], PRODUCTS[product_id]
        lead_time = int(product.supplier.lead_hours * conditions.lead_times * HOUR)
        reorder_point = max(
            product.opening_stock // 3,
            0 if product.is_scarce else _expected_demand(level, lead_time, self.shop.clock) * 3 // 2,
        )
        if level.delivery_at is not None or level.quantity > reorder_point:
            return None
        on_time = self._draw() < product.supplier.on_time * conditions.suppliers_on_time
        factor = 0.8 + 0.4 * self._draw() if on_time else 1.2 + 1.8 * self._draw()
        level.delivery_at = self.shop.clock + int(lead_time * factor)
        return level.delivery_at

    def restock(self, product_id: str, at: int) -> None:
        """Receive the supplier's delivery.

        It is three times the demand during the lead time, at least the opening stock.
        """
        level, product = self.shop.stock[product_id], PRODUCTS[product_id]
        quantity = max(
            product.opening_stock,
            0 if product.is_scarce else _expected_demand(level, product.supplier.lead_hours * HOUR, at) * 3,
        )
        level.restocked_at, level.requested, level.delivery_at = at, 0, None
        self._change(StockRestocked, product_id, quantity, at)

    def receive(self, product_id: str, quantity: int) -> None:
        """Receive a delivery by delivery note, which leaves the supplier's pending delivery as it is."""
        self._change(StockRestocked, product_id, quantity, self.shop.clock)

    def _change(
        self,
        kind: type[Stock],
        product_id: str,
        change: int,
        at: int,
        extra: bytes | None = None,
        order_id: str | None = None,
    ) -> None:
        """Change a stock level and emit the event; `extra` is the event type's own field."""
        level = self.shop.stock[product_id]
        # Two changes of a product never have the same time, as the latest one defines the quantity on hand.
        at = max(at, level.changed_at + 1)
        level.changed_at = at
        self.shop.clock = max(self.shop.clock, at)
        level.quantity += change
        if not level.quantity:
            level.sold_out_at = at
            self.stock_outs.append(StockOut(product_id, at))
        elif level.sold_out_at is not None:
            self.stock_outs.append(StockOut(product_id, level.sold_out_at, at))
            level.sold_out_at = None
        numbers = (change, level.quantity)
        body = _BODIES[kind][product_id] % (numbers if extra is None else (*numbers, extra))
        fields = (order_id, product_id, change, level.quantity, None)
        self.buffer.add(at, KIND_INDEX[kind], product_id.encode(), body, fields)

    def _demand_of(self, product_id: str) -> Demand:
        """Return the demand entry of the current hour, created if missing."""
        key = (self.shop.clock // HOUR * HOUR, product_id)
        demand = self.demand.get(key)
        if demand is None:
            demand = self.demand[key] = Demand()
        return demand


def _expected_demand(level: StockLevel, lead_time: int, at: int) -> int:
    """Extrapolate the pieces requested since the last delivery to a lead time in ms."""
    return level.requested * lead_time // max(at - level.restocked_at, lead_time)
