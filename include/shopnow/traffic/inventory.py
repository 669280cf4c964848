"""The shelves: what is on them, what is wanted, what suppliers bring."""

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
    """The stock of a shop, through a part of its life; what happens to it goes into the journal."""

    def __init__(self, shop: Shop, draw: Callable[[], float], journal: EventBuffer) -> None:
        self.shop = shop
        self.journal = journal
        self.demand: dict[tuple[int, str], Demand] = {}
        """By the hour's start and the product's id."""
        self.stock_outs: list[StockOut] = []
        """Those that began or ended, in the order of that."""
        self._draw = draw

    def stock_new_products(self) -> None:
        for product in CATALOGUE:
            if product.product_id not in self.shop.shelves:
                self.shop.shelves[product.product_id] = StockLevel(0, since=self.shop.clock)
                self._change(
                    StockAdjusted,
                    product.product_id,
                    product.opening_stock,
                    self.shop.clock,
                    b"opening stock",
                )

    def take(self, product_id: str, pieces: int) -> int:
        """How many of the pieces that a shopper wants are there."""
        shelf = self.shop.shelves[product_id]
        shelf.wanted += pieces
        there = min(pieces, shelf.quantity)
        asked = self._asked(product_id)
        asked.wanted += pieces
        asked.unmet += pieces - there
        return there

    def lose(self, product_id: str, pieces: int) -> None:
        """Note that so many pieces would have been sold had they been there."""
        self._asked(product_id).lost += pieces

    def sell(self, order_id: str, items: Iterable[tuple[str, int]], at: int) -> None:
        for product_id, quantity in items:
            self._change(StockSold, product_id, -quantity, at, order_id.encode(), order_id)

    def put_back(self, items: Iterable[tuple[str, int]], at: int) -> None:
        for product_id, quantity in items:
            self._change(StockAdjusted, product_id, quantity, at, b"order cancelled")

    def reorder_if_low(self, product_id: str, conditions: Conditions) -> int | None:
        """When the supplier comes, if one had to be sent for."""
        shelf, product = self.shop.shelves[product_id], PRODUCTS[product_id]
        usual = int(product.supplier.lead_hours * conditions.lead_times * HOUR)
        enough = max(
            product.opening_stock // 3,
            0 if product.scarce else _demand(shelf, usual, self.shop.clock) * 3 // 2,
        )
        if shelf.delivery_at is not None or shelf.quantity > enough:
            return None
        on_time = self._draw() < product.supplier.on_time * conditions.suppliers_on_time
        takes = 0.8 + 0.4 * self._draw() if on_time else 1.2 + 1.8 * self._draw()
        shelf.delivery_at = self.shop.clock + int(usual * takes)
        return shelf.delivery_at

    def restock(self, product_id: str, at: int) -> None:
        """The supplier comes, with what is asked for while they take to come, three times over."""
        shelf, product = self.shop.shelves[product_id], PRODUCTS[product_id]
        quantity = max(
            product.opening_stock,
            0 if product.scarce else _demand(shelf, product.supplier.lead_hours * HOUR, at) * 3,
        )
        shelf.since, shelf.wanted, shelf.delivery_at = at, 0, None
        self._change(StockRestocked, product_id, quantity, at)

    def receive(self, product_id: str, quantity: int) -> None:
        """Somebody delivers, whatever the shop has sent for."""
        self._change(StockRestocked, product_id, quantity, self.shop.clock)

    def _change(
        self,
        kind: type[Stock],
        product_id: str,
        change: int,
        at: int,
        more: bytes | None = None,
        order_id: str | None = None,
    ) -> None:
        """Put so many pieces on the shelf, or take them off; `more` is what such an event has beside."""
        shelf = self.shop.shelves[product_id]
        # Never two at the same time: the latest says what is left.
        at = max(at, shelf.changed_at + 1)
        shelf.changed_at = at
        self.shop.clock = max(self.shop.clock, at)
        shelf.quantity += change
        if not shelf.quantity:
            shelf.sold_out_at = at
            self.stock_outs.append(StockOut(product_id, at))
        elif shelf.sold_out_at is not None:
            self.stock_outs.append(StockOut(product_id, shelf.sold_out_at, at))
            shelf.sold_out_at = None
        numbers = (change, shelf.quantity)
        body = _BODIES[kind][product_id] % (numbers if more is None else (*numbers, more))
        self.journal.add(
            at,
            KIND_INDEX[kind],
            product_id.encode(),
            body,
            (order_id, product_id, change, shelf.quantity, None),
        )

    def _asked(self, product_id: str) -> Demand:
        place = (self.shop.clock // HOUR * HOUR, product_id)
        asked = self.demand.get(place)
        if asked is None:
            asked = self.demand[place] = Demand()
        return asked


def _demand(shelf: StockLevel, lead: int, at: int) -> int:
    """Pieces asked for in `lead` ms, going by the time since the last delivery."""
    return shelf.wanted * lead // max(at - shelf.since, lead)
