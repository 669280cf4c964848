from shopnow.traffic.catalogue import CATALOGUE, POPULARITY, PRODUCTS


def test_products_are_distinct_and_sound() -> None:
    assert len(PRODUCTS) == len(CATALOGUE) == len({product.name for product in CATALOGUE})
    assert all(product.price_cents > 0 and product.opening_stock > 0 and product.lead_hours > 0 for product in CATALOGUE)


def test_popularity_follows_zipf() -> None:
    assert len(POPULARITY) == len(CATALOGUE)
    assert POPULARITY[1] - POPULARITY[0] == POPULARITY[0] / 2
