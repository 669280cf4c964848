"""Stock: on hand, by day, when it was out, how long it lasts."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from shopnow_spark.kpis.sums import total


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
        .agg(*newest, total(F.col("sold_units")).alias("sold_units"))
        .withColumn("stock_out", F.expr("quantity = 0"))
    )
