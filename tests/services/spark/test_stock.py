import random
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from factories.events import event
from shopnow.events import StockAdjusted, StockRestocked, StockSold
from shopnow.kpis import STOCK_COVER, STOCK_DAILY, STOCK_OUTS, STOCK_POSITION, TOP_PRODUCTS
from shopnow_spark.kpis import stock as kpis
from shopnow_spark.kpis.stock_cover import stock_cover
from shopnow_spark.kpis.stock_outs import stock_outs
from support.frames import rows


def stock(type_, time: str, product: str, change: int, after: int):
    """Return a stock event; a `time` without a year is in November 2026."""
    return event(
        type_,
        time if time[4:5] == "-" else f"2026-11-{time}Z",
        product_id=product,
        product_name=f"{product} at {after}",
        quantity_change=change,
        quantity_after=after,
    )


def sold(time: str, product: str, pieces: int, after: int):
    return stock(StockSold, time, product, -pieces, after)


def restocked(time: str, product: str, pieces: int, after: int):
    return stock(StockRestocked, time, product, pieces, after)


def adjusted(time: str, product: str, pieces: int, after: int):
    return stock(StockAdjusted, time, product, pieces, after)


POSITION = ("product_id", "product_name", "quantity", "sold_units", "last_offset", "stock_out")


def test_stock_position_does_not_depend_on_the_order_of_arrival(engine, events_of):
    events = events_of(
        "stock",
        adjusted("02T08:00", "a", 5, 5),
        adjusted("02T08:00", "b", 3, 3),
        sold("02T11:00", "a", 4, 0),
        sold("02T10:00", "a", 1, 4),  # arrives late
        restocked("02T12:00", "b", 1, 4),
        sold("02T12:00", "b", 2, 2),  # at the same time: the offset decides
    )
    expected = [("a", "a at 0", 0, 5, 2, True), ("b", "b at 2", 2, 2, 5, False)]
    assert rows(kpis.stock_position(None, events), *POSITION) == expected
    # Each split has products of its own, so that one computation has all splits.
    splits = events.crossJoin(engine.range(7).toDF("split")).withColumn(
        "product_id", F.concat_ws("@", "product_id", "split")
    )
    before, after = (splits.where(f"source_offset {sign} split").drop("split") for sign in ("<", ">="))
    of_splits = sorted((f"{product}@{split}", *row) for product, *row in expected for split in range(7))
    for first, second in ((before, after), (after, before)):
        position = kpis.stock_position(None, first)
        assert rows(kpis.stock_position(position, second), *POSITION) == of_splits


def test_no_events_make_no_rows(events_of, table):
    assert kpis.stock_position(None, events_of("stock")).count() == 0
    daily = kpis.stock_daily(events_of("stock"))
    assert daily.count() == 0
    assert stock_outs(None, None, events_of("stock"), daily, table(TOP_PRODUCTS)).count() == 0


def test_columns_are_those_of_the_definitions(events_of, table):
    events = events_of("stock", adjusted("02T08:00", "a", 5, 5))
    daily, position = kpis.stock_daily(events), kpis.stock_position(None, events)
    # Of empty tables, as a plan within a plan costs as much again.
    outs = stock_outs(None, None, events, table(STOCK_DAILY), table(TOP_PRODUCTS))
    cover = stock_cover(
        table(STOCK_POSITION),
        table(STOCK_DAILY),
        table(STOCK_OUTS),
        today=date(2026, 11, 2),
        service_level=0.95,
        lead_time_days=1,
    )
    frames = {STOCK_POSITION: position, STOCK_DAILY: daily, STOCK_OUTS: outs, STOCK_COVER: cover}
    for kpi, frame in frames.items():
        schema = pa.schema([kpi.schema.field(name) for name in kpi.value_columns])
        assert sorted(frame.columns) == sorted(schema.names)
        frame.selectExpr(*schema.names).to(table(kpi).schema).collect()


def test_a_day_opens_before_its_first_event_and_closes_after_its_last(events_of):
    daily = kpis.stock_daily(
        events_of(
            "stock",
            sold("02T10:00", "a", 2, 3),
            adjusted("02T12:00", "a", -1, 3),  # at the same time as the next, but earlier in the topic
            restocked("02T12:00", "a", 4, 7),
            sold("02T11:00", "a", 1, 4),  # inconsistent, but counted as it is
            sold("03T00:00", "a", 7, 0),
        )
    )
    assert rows(daily, "date", "product_name", "opening", "sold", "restocked", "adjusted", "closing") == [
        ("2026-11-02", "a at 7", 5, 3, 4, -1, 7),
        ("2026-11-03", "a at 0", 7, 7, 0, 0, 0),
    ]


def test_time_in_stock_is_observed_until_the_latest_event_of_any_product(events_of):
    daily = kpis.stock_daily(
        events_of(
            "stock",
            sold("02T06:00", "a", 1, 0),  # in stock for 6 h
            restocked("02T08:00", "a", 5, 5),  # and in stock from here on
            adjusted("02T09:00", "b", 1, 1),  # new: not in stock before
            sold("02T10:00:00.999", "b", 1, 0),
            sold("02T12:00:00.500", "c", 1, 0),
        )
    )
    assert rows(daily, "product_id", "in_stock_seconds", "observed_seconds", "sold_per_day_in_stock") == [
        ("a", 10 * 3600, 12 * 3600, 1 * 86_400 / 36_000),
        ("b", 3600, 12 * 3600, 24.0),
        ("c", 12 * 3600, 12 * 3600, 2.0),
    ]


def test_sales_of_the_shop_count_while_the_product_was_in_stock(events_of):
    daily = kpis.stock_daily(
        events_of(
            "stock",
            sold("02T05:00", "b", 7, 90),
            sold("02T06:00", "a", 1, 0),
            sold("02T06:30", "b", 20, 70),  # a is out
            restocked("02T07:00", "a", 9, 9),
            sold("02T08:00", "b", 30, 40),
        )
    )
    assert rows(daily, "product_id", "sold", "shop_sold_in_stock") == [("a", 1, 7 + 1 + 30), ("b", 57, 58)]


def test_a_product_never_in_stock_has_no_daily_sales(events_of):
    assert rows(
        kpis.stock_daily(events_of("stock", adjusted("02T05:00", "a", 0, 0))),
        "in_stock_seconds",
        "sold_per_day_in_stock",
    ) == [(0, None)]


def test_years_1_and_9999_are_supported(events_of, table):
    events = events_of(
        "stock",
        sold("0001-01-01T00:00:01Z", "a", 1, 0),
        restocked("9999-12-31T23:59:59.999Z", "a", 1, 1),
        sold("9999-12-31T23:59:59.999Z", "a", 1, 0),
    )
    daily = kpis.stock_daily(events)
    assert rows(daily, "date", "in_stock_seconds", "observed_seconds") == [
        ("0001-01-01", 1, 1),
        ("9999-12-31", 0, 86_399),
    ]
    outs = stock_outs(None, None, events, daily, table(TOP_PRODUCTS))
    assert rows(outs, "duration_seconds") == [(0,), (315_537_897_598,)]
    cover = stock_cover(
        kpis.stock_position(None, events),
        daily,
        outs,
        today=date(9999, 12, 31),
        service_level=0.95,
        lead_time_days=1,
    )
    assert rows(cover, "as_of", "lead_time_days") == [("9999-12-31", 1.0)]


OUT = (
    "product_id",
    "started_at",
    "product_name",
    "ended_at",
    "duration_seconds",
    "shop_sold",
    "shop_sold_first_day",
)


def at(time: str) -> str:
    return f"2026-11-{time}"


def test_a_stock_out_lasts_from_zero_to_the_next_positive_quantity(events_of, table):
    events = events_of(
        "stock",
        adjusted("02T08:00", "a", 2, 2),
        sold("02T10:00", "a", 2, 0),
        adjusted("02T11:00", "a", 0, 0),  # still at zero
        sold("02T12:00", "b", 5, 50),
        restocked("03T10:00", "a", 1, 1),
        sold("03T10:00", "a", 1, 0),  # at the same time, later in the topic
        sold("03T11:00", "b", 6, 44),
    )
    outs = stock_outs(None, None, events, kpis.stock_daily(events), table(TOP_PRODUCTS))
    assert rows(outs, *OUT) == [
        ("a", at("02 10:00:00"), "a at 0", at("03 10:00:00"), 86_400, 6, 5),
        ("a", at("03 10:00:00"), "a at 0", None, 3600, 6, 6),
    ]


def test_lost_sales_are_the_products_share_of_the_shops_sales_in_that_time(events_of, table):
    events = events_of(
        "stock",
        *(sold("01T08:00", "a", 2, 2), sold("01T09:00", "b", 8, 92)),  # a: 4 pieces
        *(sold("02T08:00", "a", 2, 0), sold("02T09:00", "b", 30, 62)),  # while 8 others are sold
        restocked("02T10:00", "a", 9, 9),
    )
    top = table(
        TOP_PRODUCTS,
        {"date": date(2026, 11, 2), "currency": "EUR", "product_id": "a", "units": 2, "gmv_cents": 201},
        {"date": date(2026, 10, 5), "currency": "EUR", "product_id": "a", "units": 2, "gmv_cents": 200},
        {
            "date": date(2026, 10, 4),
            "currency": "EUR",
            "product_id": "a",
            "units": 9,
            "gmv_cents": 1,
        },  # 29 days before
        {
            "date": date(2026, 11, 3),
            "currency": "EUR",
            "product_id": "a",
            "units": 9,
            "gmv_cents": 1,
        },  # later
        {
            "date": date(2026, 11, 1),
            "currency": "AUD",
            "product_id": "a",
            "units": 3,
            "gmv_cents": 1,
        },  # fewer
        {
            "date": date(2026, 11, 1),
            "currency": "USD",
            "product_id": "a",
            "units": 4,
            "gmv_cents": 1,
        },  # as many, later by name
    )
    outs = stock_outs(None, None, events, kpis.stock_daily(events), top)
    # 4 for 8 others: for 30 others, 15; at 100.25 cents each.
    assert rows(outs, "demand_share", "lost_units", "currency", "unit_price_cents", "lost_cents") == [
        (0.5, 15.0, "EUR", 100.25, 1504)
    ]


def test_nothing_is_estimated_without_sales_or_prices(events_of, table):
    events = events_of("stock", adjusted("02T08:00", "a", 0, 0), sold("02T10:00", "b", 1, 1))
    outs = stock_outs(None, None, events, kpis.stock_daily(events), table(TOP_PRODUCTS))
    assert rows(outs, "demand_share", "lost_units", "currency", "unit_price_cents", "lost_cents") == [
        (None,) * 5
    ]


def test_losses_beyond_64_bits_are_clamped(events_of, table):
    events = events_of(
        "stock", sold("02T08:00", "b", 1, 5), sold("02T09:00", "a", 10**9, 0), sold("02T10:00", "b", 10**9, 5)
    )
    top = table(
        TOP_PRODUCTS,
        {"date": date(2026, 11, 2), "currency": "EUR", "product_id": "a", "units": 1, "gmv_cents": 2**63 - 1},
    )
    assert rows(
        stock_outs(None, None, events, kpis.stock_daily(events), top), "lost_units", "lost_cents"
    ) == [(1e18, 2**63 - 1)]


def random_history(rng: random.Random) -> list:
    """Return two months of sales and restocks of three products that often sell out.

    Events occur at few times of day, so that many coincide.
    """
    quantities, events = dict.fromkeys("abc", 4), []
    for hour in range(0, 24 * 60, 3):
        time = (datetime(2026, 9, 20, tzinfo=UTC) + timedelta(hours=hour)).isoformat()
        for product, quantity in quantities.items():
            if quantity and rng.random() < 0.3:
                pieces = rng.randint(1, quantity)
                quantities[product] -= pieces
                events.append(sold(time, product, pieces, quantities[product]))
            elif rng.random() < {"a": 0.1, "b": 0.05, "c": 0.004}[product]:
                quantities[product] += 3
                events.append(restocked(time, product, 3, quantities[product]))
    return events


def test_stock_outs_computed_in_parts_equal_those_computed_at_once(events_of, table):
    rng = random.Random(0)
    history = random_history(rng)
    events = events_of("stock", *history).cache()
    dates = [event.event_time.date() for event in history]
    top = table(
        TOP_PRODUCTS,
        *(
            {
                "date": day,
                "currency": rng.choice(["EUR", "USD"]),
                "product_id": product,
                "units": rng.randint(1, 9),
                "gmv_cents": 700,
            }
            for day in sorted(set(dates))
            for product in "abc"
        ),
    )
    expected = rows(stock_outs(None, None, events, kpis.stock_daily(events), top), *STOCK_OUTS.value_columns)
    assert len(expected) > 10
    shuffled = events.repartition(3, "event_id")
    assert (
        rows(stock_outs(None, None, shuffled, kpis.stock_daily(shuffled), top), *STOCK_OUTS.value_columns)
        == expected
    )
    number = len(history)
    cuts = sorted(rng.sample(range(1, number), 3))
    late = rng.sample(range(number), 20)  # arrive with the last part
    current: list[dict] = []
    for start, end in pairwise([0, *cuts, number]):
        parts = [offset for offset in range(number) if (offset < end and offset not in late) or end == number]
        new = [offset for offset in parts if start <= offset < end] + (late if end == number else [])
        landed = events.where(events["source_offset"].isin(parts))
        since = min(dates[offset] for offset in new)
        before = since - timedelta(days=28)
        midnight = datetime.combine(since, time.min, UTC)
        open_since = [
            out["started_at"].date()
            for out in current
            if out["started_at"] < midnight and (out["ended_at"] is None or out["ended_at"] >= midnight)
        ]
        daily = kpis.stock_daily(landed.where(f"event_date >= '{min([before, *open_since])}'"))
        updated = stock_outs(
            table(STOCK_OUTS, *current) if current else None,
            since if current else None,
            landed.where(f"event_date >= '{since}'") if current else landed,
            daily,
            top.where(f"date >= '{before}'"),
        )
        current = updated.toArrow().to_pylist()
    assert rows(table(STOCK_OUTS, *current), *STOCK_OUTS.value_columns) == expected


def test_stock_outs_stay_the_same_without_new_events(events_of, table):
    out = {
        **{
            "product_id": "a",
            "started_at": datetime(2026, 11, 2, 10, tzinfo=UTC),
            "product_name": "A",
            "duration_seconds": 3600,
        },
        **{"shop_sold": 6, "shop_sold_first_day": 6, "demand_share": 0.5, "lost_units": 3.0},
        **{"currency": "EUR", "unit_price_cents": 100.0, "lost_cents": 300},
    }
    current = table(STOCK_OUTS, out)
    updated = stock_outs(
        current, date(2026, 11, 3), events_of("stock"), table(STOCK_DAILY), table(TOP_PRODUCTS)
    )
    assert rows(updated, *STOCK_OUTS.value_columns) == rows(current, *STOCK_OUTS.value_columns)


@pytest.fixture
def daily(table):
    """Create stock by day from product, day of November, sold, hours in stock, closing, hours observed."""

    def make(*days: tuple[str, int, int, float, int, float]) -> DataFrame:
        return table(
            STOCK_DAILY,
            *(
                {
                    **{
                        "product_id": product,
                        "date": date(2026, 11, day),
                        "sold": pieces,
                        "closing": closing,
                    },
                    **{"in_stock_seconds": int(hours * 3600), "observed_seconds": int(observed * 3600)},
                }
                for product, day, pieces, hours, closing, observed in days
            ),
        )

    return make


@pytest.fixture
def cover(table):
    """Compute the cover row of product a from its stock by day and the duration in days of its stock-outs."""

    def make(
        stock_daily: DataFrame,
        outs: dict[int, float | None],
        quantity: int = 10,
        today: int = 28,
        level: float = 0.95,
    ):
        stock_out_rows = [
            {
                **{"product_id": "a", "started_at": datetime(2026, 11, day, 12, tzinfo=UTC)},
                **(
                    {"ended_at": datetime(2026, 12, 1, tzinfo=UTC), "duration_seconds": int(days * 86_400)}
                    if days
                    else {"duration_seconds": 7}
                ),
            }
            for day, days in outs.items()
        ]
        position = table(STOCK_POSITION, {"product_id": "a", "product_name": "A", "quantity": quantity})
        covers = stock_cover(
            position,
            stock_daily,
            table(STOCK_OUTS, *stock_out_rows),
            today=date(2026, 11, today),
            service_level=level,
            lead_time_days=1.0,
        )
        [row] = covers.collect()
        return row

    return make


def test_cover_and_reorder_point(daily, cover):
    days = daily(
        ("b", 1, 9, 24, 9, 24),  # before the first event of a
        ("a", 25, 4, 24, 5, 24),
        ("b", 26, 9, 24, 9, 24),  # a was in stock and not sold
        *(("a", 27, 2, 12, 0, 24), ("b", 28, 9, 12, 9, 12)),  # a was out
    )
    row = cover(days, {2: 1, 9: 3, 27: None})
    # Sold 6 in 24 + 24 + 12 hours; 4, 0 and 2 a day.
    assert (row.as_of, row.product_name, row.quantity, row.demand_per_day) == (
        date(2026, 11, 28),
        "A",
        10,
        2.4,
    )
    assert row.demand_sd == pytest.approx((8 / 3) ** 0.5)
    assert (row.lead_time_days, row.lead_time_sd_days, row.days_of_cover) == (2.0, 1.0, 10 / 2.4)
    # 1.64485 √(2 × 8/3 + 2.4² × 1²) = 5.478; 2.4 × 2 + 5.478 = 10.278
    assert (row.safety_stock, row.reorder_point, row.below_reorder_point) == (6, 11, True)


def test_cover_uses_the_28_days_up_to_today(daily, cover):
    days = daily(
        ("a", 1, 100, 24, 5, 24), ("a", 2, 7, 24, 5, 24), ("a", 29, 21, 24, 5, 24), ("a", 30, 100, 24, 5, 24)
    )
    row = cover(days, {1: 30, 2: 2}, today=29)
    assert (row.as_of, row.demand_per_day, row.demand_sd, row.lead_time_days) == (
        date(2026, 11, 29),
        14.0,
        7.0,
        2.0,
    )


def test_a_product_without_recent_events_counts_days_in_stock(daily, cover):
    row = cover(
        daily(("a", 1, 100, 24, 5, 24), ("b", 29, 1, 24, 5, 24), ("b", 30, 1, 12, 5, 12)), {}, today=30
    )
    assert (row.demand_per_day, row.demand_sd, row.days_of_cover, row.safety_stock, row.reorder_point) == (
        0.0,
        0.0,
        None,
        0,
        0,
    )
    assert row.below_reorder_point is False


def test_unknown_demand_gives_no_estimates(daily, cover):
    row = cover(daily(("b", 28, 1, 24, 5, 24)), {})
    assert (row.as_of, row.demand_per_day, row.demand_sd, row.lead_time_days, row.lead_time_sd_days) == (
        *(date(2026, 11, 28), None, None, 1.0),
        0.0,
    )
    assert (row.days_of_cover, row.safety_stock, row.reorder_point, row.below_reorder_point) == (None,) * 4


def test_absurd_demand_does_not_fail(daily, cover):
    row = cover(daily(("a", 27, 2**63 - 1, 24, 5, 24), ("a", 28, 2**63 - 1, 24, 5, 24)), {})
    assert row.demand_per_day == 2.0**63
    assert row.safety_stock is None or row.safety_stock <= 2**63 - 1
