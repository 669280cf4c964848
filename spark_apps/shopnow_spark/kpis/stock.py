"""Stock KPIs: position and daily movements."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow_spark.kpis.safe_math import ratio, total
from shopnow_spark.kpis.times import midnight, whole_seconds

EVENT_ORDER = ("event_time", "source_offset", "source_partition")
"""Sort order of a product's events; the partition only matters if it has changed."""


def stock_position(known: DataFrame | None, stock: DataFrame) -> DataFrame:
    """Merge the `known` position of every product with new stock events."""
    columns = ("product_id", "product_name", "quantity", "sold_units", "last_event_time", "last_offset")
    new = stock.select(
        "product_id",
        "product_name",
        F.col("quantity_after").alias("quantity"),
        F.when(F.col("event_type") == "stock_sold", -F.col("quantity_change"))
        .otherwise(0)
        .alias("sold_units"),
        F.col("event_time").alias("last_event_time"),
        F.col("source_offset").alias("last_offset"),
    )
    rows = new if known is None else known.select(*columns).unionByName(new)
    latest = F.struct("last_event_time", "last_offset")
    newest = [
        F.max_by(name, latest).alias(name)
        for name in ("product_name", "quantity", "last_event_time", "last_offset")
    ]
    return (
        rows.groupBy("product_id")
        .agg(*newest, total(F.col("sold_units")).alias("sold_units"))
        .withColumn("stock_out", F.expr("quantity = 0"))
    )


def stock_daily(stock: DataFrame) -> DataFrame:
    """Aggregate each product's stock movements by day, and the time it was in stock."""
    day = ("date", "product_id")
    order = Window.partitionBy(*day).orderBy(*EVENT_ORDER)
    at, change, after = F.unix_micros("event_time"), F.col("quantity_change"), F.col("quantity_after")
    changes = with_shop_sold(stock, "product_name", "event_type", "quantity_change", "quantity_after").select(
        "*",
        at.alias("at"),
        F.lead(at).over(order).alias("until"),
        F.lead("shop_sold").over(order).alias("shop_sold_until"),
        F.when(F.row_number().over(order) == 1, after - change).alias("before"),
    )
    last = F.col("until").isNull()

    def while_in_stock(then: Column, now: Column, until: Column) -> Column:
        return F.coalesce(F.sum(F.when(F.col("before") > 0, now - then)), F.lit(0)) + F.coalesce(
            F.sum(F.when(after > 0, until - now)), F.lit(0)
        )

    days = changes.groupBy(*day).agg(
        F.max(F.when(last, F.col("product_name"))).alias("product_name"),
        F.max("before").alias("opening"),
        total(F.col("sold")).alias("sold"),
        total(F.when(F.col("event_type") == "stock_restocked", change)).alias("restocked"),
        total(F.when(F.col("event_type") == "stock_adjusted", change)).alias("adjusted"),
        F.max(F.when(last, after)).alias("closing"),
        while_in_stock(midnight(F.col("date")), F.col("at"), F.col("until")).alias("in_stock"),
        while_in_stock(F.lit(0), F.col("shop_sold"), F.col("shop_sold_until")).alias("shop_sold_in_stock"),
        F.max(F.struct("at", "shop_sold")).alias("last"),
    )
    # From the product's last event to the latest event of any product, its closing stock applies.
    whole = days.withColumn("end", F.max("last").over(Window.partitionBy("date")))
    rest = F.when(F.col("closing") > 0, 1).otherwise(0)
    in_stock = F.col("in_stock") + rest * (F.col("end.at") - F.col("last.at"))
    return whole.select(
        *(*day, "product_name", "opening", "sold", "restocked", "adjusted", "closing"),
        whole_seconds(in_stock).alias("in_stock_seconds"),
        whole_seconds(F.col("end.at") - midnight(F.col("date"))).alias("observed_seconds"),
        (F.col("shop_sold_in_stock") + rest * (F.col("end.shop_sold") - F.col("last.shop_sold"))).alias(
            "shop_sold_in_stock"
        ),
    ).withColumn(
        "sold_per_day_in_stock", ratio(F.col("sold").cast("double") * 86_400, F.col("in_stock_seconds"))
    )


def with_shop_sold(stock: DataFrame, *columns: str) -> DataFrame:
    """Add the units `sold` by each event, and those of all products since midnight, `shop_sold`."""
    since_midnight = Window.partitionBy("date").orderBy("event_time")
    sold = F.when(F.col("event_type") == "stock_sold", -F.col("quantity_change")).otherwise(0)
    return stock.select(
        F.col("event_date").alias("date"), "product_id", *EVENT_ORDER, *columns, sold.alias("sold")
    ).withColumn("shop_sold", F.sum("sold").over(since_midnight))
