from collections import Counter
from random import Random

import pytest

from shopnow.traffic.catalogue import CATALOGUE, PRODUCTS, pick


def test_products_are_distinct_and_sound() -> None:
    assert len(PRODUCTS) == len(CATALOGUE) == len({product.name for product in CATALOGUE})
    assert all(product.price_cents > 0 and product.opening_stock > 0 and product.lead_hours > 0 for product in CATALOGUE)


def test_popularity_follows_zipf() -> None:
    rng = Random(1)
    picked = Counter(pick(rng) for _ in range(100_000))
    for rank, product in enumerate(CATALOGUE, 1):
        assert picked[product] * rank == pytest.approx(picked[CATALOGUE[0]], rel=0.2)
