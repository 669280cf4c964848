"""Events into KPIs; what each figure means is written in `shopnow.kpis`.

Every function takes the events of whole days and gives those days' rows, but for the stock position, which is carried
from run to run.
"""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

_FIGURES = (
    *("orders", "units", "gmv_cents", "discount_cents"),
    *("payments_succeeded", "payments_failed", "paid_cents", "refunds", "refunds_cents"),
)
# A few absurd but valid orders add up to more than 64 bits hold: such a sum stops at the highest number instead of failing the run.
_WIDE = "decimal(38,0)"


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
        _sum(F.col("item.quantity")).alias("units"),
        _sum(_gross(F.col("item"))).alias("gmv_cents"),
    )
    order = Window.partitionBy("date", "currency").orderBy(F.desc("gmv_cents"), F.desc("units"), "product_id")
    return products.withColumn("rank", F.row_number().over(order))


def stock_position(known: DataFrame | None, stock: DataFrame) -> DataFrame:
    """The stock of every product: the position `known` so far, brought up to date with stock events it has not seen."""
    columns = ("product_id", "product_name", "quantity", "sold_units", "last_event_time", "last_offset")
    new = stock.select(
        "product_id",
        "product_name",
        F.col("quantity_after").alias("quantity"),
        F.when(F.col("event_type") == "stock_sold", -F.col("quantity_change")).otherwise(0).alias("sold_units"),
        F.col("event_time").alias("last_event_time"),
        F.col("source_offset").alias("last_offset"),
    )
    rows = new if known is None else known.select(*columns).unionByName(new)
    latest = F.struct("last_event_time", "last_offset")
    newest = [F.max_by(name, latest).alias(name) for name in ("product_name", "quantity", "last_event_time", "last_offset")]
    return (
        rows.groupBy("product_id")
        .agg(*newest, _sum(F.col("sold_units")).alias("sold_units"))
        .withColumn("stock_out", F.expr("quantity = 0"))
    )


def _sales(rows: DataFrame, *grain: str) -> DataFrame:
    sums = [_sum(F.col(name)).alias(name) for name in _FIGURES]
    return rows.groupBy(*grain).agg(*sums).withColumn("net_revenue_cents", F.col("paid_cents") - F.col("refunds_cents"))


def _when() -> list[Column | str]:
    return [F.date_trunc("hour", "event_time").alias("hour"), F.col("event_date").alias("date"), "currency"]


def _of_type(event_type: str, value: Column) -> Column:
    return F.when(F.col("event_type") == event_type, value)


def _gross(item: Column) -> Column:
    return item["quantity"] * item["unit_price_cents"]


def _sum_of_items(value: Callable[[Column], Column]) -> Column:
    return F.aggregate("items", F.lit(0).cast(_WIDE), lambda total, item: (total + value(item)).cast(_WIDE))


def _sum(value: Column) -> Column:
    return F.least(F.coalesce(F.sum(value.cast(_WIDE)), F.lit(0)), F.lit(2**63 - 1)).cast("bigint")
