from datetime import datetime
from itertools import count

from shopnow.events import StockAdjusted, StockRestocked, StockSold
from shopnow_spark.kpis import stock as kpis

numbers = count()


def common(time: str) -> dict:
    return {"event_id": f"0199d3f0-1111-7abc-8def-{next(numbers):012}", "event_time": datetime.fromisoformat(time), "schema_version": 1}


def stock(type_, time: str, product: str, change: int, after: int, **more: str):
    return type_(
        **common(time), product_id=product, product_name=f"{product} at {after}", quantity_change=change, quantity_after=after, **more
    )


def rows(frame, *columns: str) -> list[tuple]:
    return sorted(tuple(row[column] for column in columns) for row in frame.collect())


POSITION = ("product_id", "product_name", "quantity", "sold_units", "last_offset", "stock_out")


def test_stock_position_is_the_same_whichever_way_the_events_come(events_of):
    everything = events_of(
        "stock",
        stock(StockAdjusted, "2026-11-02T08:00:00Z", "a", 5, 5, reason="opening"),
        stock(StockAdjusted, "2026-11-02T08:00:00Z", "b", 3, 3, reason="opening"),
        stock(StockSold, "2026-11-02T11:00:00Z", "a", -4, 0, order_id="o"),
        stock(StockSold, "2026-11-02T10:00:00Z", "a", -1, 4, order_id="o"),  # came late
        stock(StockRestocked, "2026-11-02T12:00:00Z", "b", 1, 4),
        stock(StockSold, "2026-11-02T12:00:00Z", "b", -2, 2, order_id="o"),  # at the same time: the offset decides
    )
    expected = [("a", "a at 0", 0, 5, 2, True), ("b", "b at 2", 2, 2, 5, False)]
    assert rows(kpis.stock_position(None, everything), *POSITION) == expected
    for split in range(7):
        before, after = everything.where(f"source_offset < {split}"), everything.where(f"source_offset >= {split}")
        assert rows(kpis.stock_position(kpis.stock_position(None, before), after), *POSITION) == expected
        assert rows(kpis.stock_position(kpis.stock_position(None, after), before), *POSITION) == expected
