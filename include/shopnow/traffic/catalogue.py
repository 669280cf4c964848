"""The product catalogue, best seller first, and the suppliers.

Demand for the k-th product is proportional to 1/k^`ZIPF` (Zipf's law). Most products have ample stock and a
supplier that delivers within hours; some hold so little that they are resupplied during the day. A few are
scarce on purpose, so that any day of a few hundred sessions ends with a stock-out (a best seller with a
handful of pieces) and with low stock (an expensive product of which the shop only holds a few). The supplier
of a scarce product takes days and refills the opening stock; the others deliver according to demand.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeVar

CURRENCY = "EUR"
ZIPF = 1.0


class Supplier(NamedTuple):
    """A supplier and its reliability."""

    name: str
    lead_hours: int
    """Usual lead time of a delivery."""
    on_time: float
    """Share of deliveries on time; late ones take up to three times the lead time."""


NEIGHBOUR = Supplier("Nearby Wholesale", 4, 0.98)
REGION = Supplier("Regional Depot", 10, 0.95)
COUNTRY = Supplier("National Distribution", 24, 0.9)
CONTINENT = Supplier("Continental Freight", 48, 0.85)
RARE = Supplier("Limited Editions", 96, 0.7)
MAKER = Supplier("Made to Order", 240, 0.6)


class Product(NamedTuple):
    """A product, its opening stock and its supplier."""

    product_id: str
    name: str
    category: str
    price_cents: int
    opening_stock: int
    supplier: Supplier

    @property
    def is_scarce(self) -> bool:
        """Whether its supplier takes three days or more."""
        return self.supplier.lead_hours >= 72


CATALOGUE: tuple[Product, ...] = (
    Product("p-001", "Everyday Sneakers, white", "shoes", 7_990, 160, REGION),
    Product("p-002", "Game Console, launch edition", "electronics", 44_900, 4, RARE),
    Product("p-003", "Wireless Earbuds", "electronics", 5_900, 8, NEIGHBOUR),
    Product("p-004", "Cotton T-shirt, pack of three", "clothing", 2_490, 200, NEIGHBOUR),
    Product("p-005", "Concert Hoodie, limited", "clothing", 6_490, 3, RARE),
    Product("p-006", "Insulated Water Bottle", "sports", 2_290, 90, NEIGHBOUR),
    Product("p-007", "Phone Charger, 65 W", "electronics", 3_490, 15, NEIGHBOUR),
    Product("p-008", "Espresso Beans, 1 kg", "grocery", 1_890, 120, NEIGHBOUR),
    Product("p-009", "Yoga Mat", "sports", 2_990, 60, REGION),
    Product("p-010", "Slim Jeans", "clothing", 5_990, 80, REGION),
    Product("p-011", "Desk Lamp", "home", 3_990, 45, REGION),
    Product("p-012", "Bestselling Novel, hardcover", "books", 2_190, 12, NEIGHBOUR),
    Product("p-013", "Backpack, 25 l", "travel", 6_990, 50, REGION),
    Product("p-014", "Smart Watch", "electronics", 19_900, 40, COUNTRY),
    Product("p-015", "Sunscreen, factor 50", "beauty", 1_590, 90, REGION),
    Product("p-016", "Running Shoes", "shoes", 11_990, 45, REGION),
    Product("p-017", "Bluetooth Speaker", "electronics", 7_990, 40, REGION),
    Product("p-018", "Bed Linen, double", "home", 5_490, 35, COUNTRY),
    Product("p-019", "Face Cream", "beauty", 3_290, 60, REGION),
    Product("p-020", "Wooden Train Set", "toys", 4_590, 30, COUNTRY),
    Product("p-021", "Olive Oil, 75 cl", "grocery", 1_490, 80, REGION),
    Product("p-022", "Rain Jacket", "clothing", 8_990, 35, COUNTRY),
    Product("p-023", "Mechanical Keyboard", "electronics", 10_990, 25, COUNTRY),
    Product("p-024", "Puzzle, 1000 pieces", "toys", 1_990, 45, REGION),
    Product("p-025", "Chef's Knife", "kitchen", 6_990, 25, COUNTRY),
    Product("p-026", "Cast Iron Pan", "kitchen", 4_990, 25, COUNTRY),
    Product("p-027", "Travel Guide, Lisbon", "books", 1_790, 30, REGION),
    Product("p-028", "Cabin Suitcase", "travel", 12_990, 20, CONTINENT),
    Product("p-029", "Dumbbells, 2 × 5 kg", "sports", 3_990, 30, COUNTRY),
    Product("p-030", "Leather Boots", "shoes", 15_990, 20, CONTINENT),
    Product("p-031", "Cookbook of the Alps", "books", 2_990, 25, COUNTRY),
    Product("p-032", "Electric Toothbrush", "beauty", 7_990, 30, COUNTRY),
    Product("p-033", "Board Game, the big one", "toys", 5_990, 20, COUNTRY),
    Product("p-034", "Robot Vacuum", "home", 34_900, 15, CONTINENT),
    Product("p-035", "Noise-cancelling Headphones", "electronics", 29_900, 15, CONTINENT),
    Product("p-036", "Espresso Machine", "kitchen", 54_900, 12, CONTINENT),
    Product("p-037", "Mountain Tent, 3 persons", "travel", 27_900, 8, RARE),
    Product("p-038", "Telescope, 130 mm", "toys", 23_900, 4, RARE),
    Product("p-039", "Cargo E-bike", "sports", 289_900, 3, MAKER),
    Product("p-040", "OLED Television, 65 inch", "electronics", 179_900, 4, MAKER),
    Product("p-041", "Upright Piano", "home", 459_000, 3, MAKER),
    Product("p-042", "Sapphire Watch, numbered", "jewellery", 349_000, 4, MAKER),
)

PRODUCTS: dict[str, Product] = {product.product_id: product for product in CATALOGUE}

POPULARITY = tuple(rank**-ZIPF for rank in range(1, len(CATALOGUE) + 1))
"""Demand for each product, relative to the best seller."""


T = TypeVar("T")


def weighted_picker(draw: Callable[[], float], items: Sequence[T]) -> Callable[[], T]:
    """Return a function that picks an item by popularity; items stand for the first catalogue products."""
    bounds = tuple(accumulate(POPULARITY[: len(items)]))
    total = bounds[-1]
    return lambda: items[bisect_right(bounds, draw() * total)]
