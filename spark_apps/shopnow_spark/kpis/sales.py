"""Sales by hour, day, country, category and product."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow_spark.kpis.sums import WIDE, total

_FIGURES = (
    *("orders", "units", "gmv_cents", "discount_cents"),
    *("payments_succeeded", "payments_failed", "paid_cents", "refunds", "refunds_cents"),
)


def sales_hourly(orders: DataFrame, payments: DataFrame) -> DataFrame:
    """Sales by hour and currency."""
    # Each event becomes a row of figures on its own, so there is no join that could count a refund twice.
    placed = orders.where("event_type = 'order_placed'").select(
        *_when(),
        F.lit(1).alias("orders"),
        _sum_of_items(lambda item: item["quantity"]).alias("units"),
        _sum_of_items(_gross).alias("gmv_cents"),
        "discount_cents",
    )
    paid = payments.select(
        *_when(),
        _of_type("payment_succeeded", F.lit(1)).alias("payments_succeeded"),
        _of_type("payment_failed", F.lit(1)).alias("payments_failed"),
        _of_type("payment_succeeded", F.col("amount_cents")).alias("paid_cents"),
        _of_type("payment_refunded", F.lit(1)).alias("refunds"),
        _of_type("payment_refunded", F.col("amount_cents")).alias("refunds_cents"),
    )
    return _sales(placed.unionByName(paid, allowMissingColumns=True), "hour", "date", "currency")


def sales_daily(orders: DataFrame, payments: DataFrame) -> DataFrame:
    """Sales by day and currency."""
    return _sales(sales_hourly(orders, payments), "date", "currency")


def top_products(orders: DataFrame) -> DataFrame:
    """Products sold by day and currency, ranked by gross merchandise value."""
    sold = orders.where("event_type = 'order_placed'").select(
        F.col("event_date").alias("date"), "currency", "order_id", "event_time", "event_id", F.explode("items").alias("item")
    )
    latest = F.struct("event_time", "event_id")
    products = sold.groupBy("date", "currency", F.col("item.product_id").alias("product_id")).agg(
        F.max_by("item.product_name", latest).alias("product_name"),
        F.max_by("item.category", latest).alias("category"),
        F.count_distinct("order_id").alias("orders"),
        total(F.col("item.quantity")).alias("units"),
        total(_gross(F.col("item"))).alias("gmv_cents"),
    )
    order = Window.partitionBy("date", "currency").orderBy(F.desc("gmv_cents"), F.desc("units"), "product_id")
    return products.withColumn("rank", F.row_number().over(order))


def _sales(rows: DataFrame, *grain: str) -> DataFrame:
    sums = [total(F.col(name)).alias(name) for name in _FIGURES]
    return rows.groupBy(*grain).agg(*sums).withColumn("net_revenue_cents", F.col("paid_cents") - F.col("refunds_cents"))


def _when() -> list[Column | str]:
    return [F.date_trunc("hour", "event_time").alias("hour"), F.col("event_date").alias("date"), "currency"]


def _of_type(event_type: str, value: Column) -> Column:
    return F.when(F.col("event_type") == event_type, value)


def _gross(item: Column) -> Column:
    return item["quantity"] * item["unit_price_cents"]


def _sum_of_items(value: Callable[[Column], Column]) -> Column:
    return F.aggregate("items", F.lit(0).cast(WIDE), lambda total, item: (total + value(item)).cast(WIDE))
