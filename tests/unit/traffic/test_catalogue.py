from shopnow.traffic.catalogue import CATALOGUE, PRODUCTS, weighted_picker


def test_products_are_distinct_and_valid() -> None:
    assert len(PRODUCTS) == len(CATALOGUE) == len({product.name for product in CATALOGUE})
    assert all(product.price_cents > 0 and product.opening_stock > 0 for product in CATALOGUE)
    assert all(product.supplier.lead_hours > 0 and 0 < product.supplier.on_time <= 1 for product in CATALOGUE)


def test_the_smallest_draw_picks_the_first_product_and_the_greatest_the_last() -> None:
    for count in (1, 5, len(CATALOGUE)):
        assert weighted_picker(lambda: 0.0, CATALOGUE[:count])() is CATALOGUE[0]
        assert weighted_picker(lambda: 1 - 2**-53, CATALOGUE[:count])() is CATALOGUE[count - 1]
