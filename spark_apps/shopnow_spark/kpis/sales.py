"""Sales by hour, day, country, category and product."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis.sales import ORDER_DAYS, UNKNOWN
from shopnow_spark.kpis import times
from shopnow_spark.kpis.orders import (
    allocated_share,
    category_totals,
    gmv_cents,
    gross,
    lines,
    orders_placed,
    units,
    weights,
)
from shopnow_spark.kpis.safe_math import WIDE_DECIMAL, average, day, total, union_all

_COUNTS = {
    "orders": "order_placed",
    "payments_succeeded": "payment_succeeded",
    "payments_failed": "payment_failed",
    "refunds": "payment_refunded",
}
_AMOUNTS = {
    "discount_cents": "order_placed",
    "paid_cents": "payment_succeeded",
    "refunds_cents": "payment_refunded",
}


def sales_hourly(orders: DataFrame, payments: DataFrame) -> DataFrame:
    """Aggregate sales by hour and currency."""
    return _sales(
        _events(orders, payments), times.hour(F.col("event_time")).alias("hour"), "date", "currency"
    )


def sales_daily(orders: DataFrame, payments: DataFrame) -> DataFrame:
    """Aggregate sales by day and currency."""
    return _sales(_events(orders, payments), "date", "currency")


def sales_by_country(payments: DataFrame, orders: DataFrame) -> DataFrame:
    """Aggregate sales by day, currency and country of the order."""
    country = F.coalesce("country", _of_first_order("country"), F.lit(UNKNOWN))
    return _sales(_events(orders, payments).withColumn("country", country), "date", "currency", "country")


def sales_by_category(payments: DataFrame, orders: DataFrame) -> DataFrame:
    """Aggregate sales by day, currency and category of the order's items."""
    events = _events(orders, payments).withColumn("categories", category_totals("lines"))
    event = ("event_type", "date", "currency", "amount_cents")
    categories = F.coalesce("categories", _of_first_order("categories"), _unknown_category())
    # A payment uses the categories of its order as weights only.
    totals = [
        F.when(F.col("event_type") == "order_placed", F.col(f"its.{name}")).alias(name)
        for name in ("units", "gmv_cents")
    ]
    parts = (
        events.select(*event, categories.alias("categories"))
        .select(
            *event, weights("categories").alias("weights"), F.posexplode("categories").alias("nth", "its")
        )
        .withColumn("amount_cents", allocated_share("amount_cents", "weights", "nth"))
        .select(*event, "its.category", *totals)
    )
    return _sales(parts, "date", "currency", "category").drop(
        "payments_succeeded", "payments_failed", "refunds"
    )


def top_products(orders: DataFrame) -> DataFrame:
    """Aggregate products sold by day and currency, ranked by gross merchandise value and by units."""
    # Without `items`: each line would carry all lines of its order, of which there may be a thousand.
    sold = orders_placed(orders).select(
        F.col("event_date").alias("date"),
        "currency",
        "event_time",
        "event_id",
        F.posexplode("items").alias("nth", "item"),
    )
    latest = F.max(F.struct("event_time", "event_id", "nth", "item.product_name", "item.category"))
    products = (
        sold.groupBy("date", "currency", F.col("item.product_id").alias("product_id"))
        .agg(
            latest.alias("latest"),
            # A product may be in several lines of an order.
            F.count_distinct("event_id").alias("orders"),
            total(F.col("item.quantity")).alias("units"),
            total(gross(F.col("item"))).alias("gmv_cents"),
        )
        .select("*", "latest.product_name", "latest.category")
        .drop("latest")
    )
    of_day, of_product = (
        Window.partitionBy("date", "currency"),
        Window.partitionBy("currency", "product_id").orderBy("date"),
    )
    ranked = products.withColumn(
        "rank", F.row_number().over(of_day.orderBy(F.desc("gmv_cents"), F.desc("units"), "product_id"))
    )
    ranked = ranked.withColumn(
        "units_rank", F.row_number().over(of_day.orderBy(F.desc("units"), F.desc("gmv_cents"), "product_id"))
    )
    before = F.lag(F.struct(F.unix_date("date").alias("day"), "rank", "units_rank")).over(of_product)
    # Each number has its own condition, as Sail reads the fields of a struct that a condition made null.
    is_yesterday = F.col("before.day") == F.unix_date("date") - 1
    return (
        ranked.withColumn("before", before)
        .withColumn("rank_change", F.when(is_yesterday, F.col("before.rank") - F.col("rank")))
        .withColumn(
            "units_rank_change", F.when(is_yesterday, F.col("before.units_rank") - F.col("units_rank"))
        )
        .drop("before")
    )


def _events(orders: DataFrame, payments: DataFrame) -> DataFrame:
    """Return orders placed and payments as one frame, so that no join can count a refund twice."""
    event = (
        "event_type",
        "event_id",
        "event_time",
        F.col("event_date").alias("date"),
        "order_id",
        "currency",
    )
    order = (units().alias("units"), gmv_cents().alias("gmv_cents"), "country", lines().alias("lines"))
    return union_all(
        [
            orders_placed(orders).select(*event, F.col("discount_cents").alias("amount_cents"), *order),
            payments.select(*event, "amount_cents"),
        ]
    )


def _of_first_order(name: str) -> Column:
    """Return a field of a payment's order: the first placed under its id in the days around it."""
    around = Window.partitionBy("order_id").orderBy(day("event_time")).rangeBetween(-ORDER_DAYS, 1)
    order = F.when(F.col("event_type") == "order_placed", F.struct("event_time", "event_id", name))
    return F.min(order).over(around)[name]


def _unknown_category() -> Column:
    """Return the categories of an unknown order: one, with the whole of every amount."""
    numbers = [
        F.lit(number).cast(WIDE_DECIMAL).alias(name) for name, number in (("units", 1), ("gmv_cents", 0))
    ]
    return F.array(F.struct(F.lit(UNKNOWN).alias("category"), *numbers))


def _sales(events: DataFrame, *grain: Column | str) -> DataFrame:
    """Aggregate all sales columns by grain."""
    event_type = F.col("event_type")
    return (
        events.groupBy(*grain)
        .agg(
            *(F.count_if(event_type == counted).alias(name) for name, counted in _COUNTS.items()),
            *(
                total(F.when(event_type == summed, F.col("amount_cents"))).alias(name)
                for name, summed in _AMOUNTS.items()
            ),
            *(total(F.col(name)).alias(name) for name in ("units", "gmv_cents")),
        )
        .withColumn("net_revenue_cents", F.expr("paid_cents - refunds_cents"))
        .withColumn("average_order_cents", average("gmv_cents - discount_cents", "orders"))
    )
