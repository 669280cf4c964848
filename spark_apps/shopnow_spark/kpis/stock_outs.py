"""Stock-outs and their estimated lost sales."""

from datetime import date

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow import schemas
from shopnow.kpis import STOCK_OUTS
from shopnow.kpis.stock import DEMAND_DAYS
from shopnow_spark.kpis import times
from shopnow_spark.kpis.safe_math import WIDE_DECIMAL, negated, ratio, wide_total
from shopnow_spark.kpis.stock import EVENT_ORDER, with_shop_sold
from shopnow_spark.kpis.times import whole_seconds

_KEPT = [
    STOCK_OUTS.schema.field(name)
    for name in (
        "duration_seconds",
        "shop_sold",
        "shop_sold_first_day",
        "demand_share",
        "currency",
        "unit_price_cents",
    )
]
"""Columns kept from a known stock-out that began before the events read."""


def stock_outs(
    known: DataFrame | None,
    since: date | None,
    stock: DataFrame,
    stock_daily: DataFrame,
    top_products: DataFrame,
) -> DataFrame:
    """Return all stock-outs: `known` ones that ended before `since`, and those of the events since.

    Args:
        known: existing rows of the table; None if there are none, and `stock` holds all events.
        since: first day whose source rows may have changed since `known` was computed.
        stock: events of that day and later.
        stock_daily: rows from `DEMAND_DAYS` before that day on, and from the beginning of the first known
            stock-out that had not ended by then.
        top_products: rows from `DEMAND_DAYS` before that day on.
    """
    days = F.broadcast(_days(stock_daily))
    states, latest = _states(stock, days), _latest(stock, days)
    if known is None or since is None:
        return _with_lost_sales(_periods(states, latest), stock_daily, top_products)
    midnight = F.timestamp_micros(times.midnight(F.lit(since)))
    has_ended = F.coalesce(F.col("ended_at") < midnight, F.lit(False))
    ongoing = _ongoing_states(known.where((F.col("started_at") < midnight) & ~has_ended), days)
    updated = _with_lost_sales(_periods(states.unionByName(ongoing), latest), stock_daily, top_products)
    return known.where(has_ended).select(*STOCK_OUTS.value_columns).unionByName(updated)


def _days(stock_daily: DataFrame) -> DataFrame:
    """Return the units all products sold up to each day's start, `before`, and to its end, `by_end`."""
    by_end = F.sum("sold").over(Window.orderBy("date"))
    return (
        stock_daily.groupBy("date")
        .agg(F.sum("sold").alias("sold"))
        .select("date", by_end.alias("by_end"), (by_end - F.col("sold")).alias("before"))
    )


def _latest(stock: DataFrame, days: DataFrame) -> DataFrame:
    """Return one row with the time of the latest event and the units sold `by_latest`."""
    latest = stock.agg(F.max("event_time").alias("latest")).withColumn("date", F.to_date("latest"))
    return latest.join(days, "date", "left").select("latest", F.col("by_end").alias("by_latest"))


def _states(stock: DataFrame, days: DataFrame) -> DataFrame:
    """Return events with the state after them, `out`, and the units that all products sold `by_then`."""
    return (
        with_shop_sold(stock, "product_name", "quantity_after")
        .join(days, "date", "left")
        .select(
            *("product_id", "product_name", *EVENT_ORDER),
            (F.col("quantity_after") == 0).alias("out"),
            (F.col("before") + F.col("shop_sold")).alias("by_then"),
            "by_end",
            F.lit(None).cast(f"STRUCT<{schemas.spark_ddl(pa.schema(_KEPT))}>").alias("kept"),
        )
    )


def _ongoing_states(known: DataFrame, days: DataFrame) -> DataFrame:
    """Return the states of products that were out of stock."""
    return known.join(days, F.to_date("started_at") == F.col("date"), "left").select(
        *("product_id", "product_name", F.col("started_at").alias("event_time")),
        *(F.lit(None).alias(name) for name in EVENT_ORDER[1:]),
        F.lit(True).alias("out"),
        (F.col("by_end") - F.col("shop_sold_first_day")).alias("by_then"),
        "by_end",
        F.struct(*(field.name for field in _KEPT)).alias("kept"),
    )


def _periods(states: DataFrame, latest: DataFrame) -> DataFrame:
    """Return the periods out of stock from the states; an ongoing one lasts to the latest event."""
    order = Window.partitionBy("product_id").orderBy(*EVENT_ORDER)
    changes = states.withColumn("was_out", F.lag("out", 1, False).over(order)).where("out != was_out")
    began, day = F.col("event_time"), F.to_date("event_time")
    until, by_until = F.coalesce("ended_at", "latest"), F.coalesce("by_the_end", "by_latest")
    first_day = F.when(F.to_date(until) == day, F.col("shop_sold")).otherwise(
        F.col("by_end") - F.col("by_then")
    )
    return (
        changes.withColumns(
            {"ended_at": F.lead("event_time").over(order), "by_the_end": F.lead("by_then").over(order)}
        )
        .where("out AND (ended_at IS NULL OR ended_at > event_time)")
        .crossJoin(F.broadcast(latest))
        .withColumn("shop_sold", F.coalesce(by_until - F.col("by_then"), "kept.shop_sold"))
        .select(
            *(
                "product_id",
                began.alias("started_at"),
                day.alias("day"),
                "product_name",
                "ended_at",
                "shop_sold",
                "kept",
            ),
            F.coalesce(
                whole_seconds(F.unix_micros(until) - F.unix_micros(began)), "kept.duration_seconds"
            ).alias("duration_seconds"),
            F.coalesce("kept.shop_sold_first_day", first_day).alias("shop_sold_first_day"),
        )
    )


def _with_lost_sales(periods: DataFrame, stock_daily: DataFrame, top_products: DataFrame) -> DataFrame:
    """Add the estimated lost sales to the periods, from demand and price of the days before."""
    others_sold = F.col("shop_sold_in_stock").cast(WIDE_DECIMAL) - F.col("sold")
    facts = stock_daily.select(
        "product_id",
        F.col("date").alias("day"),
        F.lit(None).cast("string").alias("currency"),
        "sold",
        others_sold.alias("others_sold"),
    )
    facts = facts.unionByName(
        top_products.select("product_id", F.col("date").alias("day"), "currency", "units", "gmv_cents"),
        allowMissingColumns=True,
    )
    rest = [name for name in periods.columns if name not in {"product_id", "started_at", "day"}]
    before = F.explode(F.sequence(F.date_sub("day", DEMAND_DAYS), "day")).alias("day")
    sums = [wide_total(F.col(name)).alias(name) for name in ("sold", "others_sold", "units", "gmv_cents")]
    by_currency = (
        periods.select("product_id", "started_at", before, F.struct(*rest).alias("period"))
        .join(facts, ["product_id", "day"], "left")
        .groupBy("product_id", "started_at", "currency")
        .agg(F.any_value("period").alias("period"), *sums)
    )
    by_units = F.struct(negated(F.col("units")).alias("units"), "currency", "gmv_cents")
    ordered = F.when(F.col("currency").isNotNull(), by_units)
    sums_by_period = by_currency.groupBy("product_id", "started_at").agg(
        F.any_value("period").alias("period"),
        F.sum("sold").alias("sold"),
        F.sum("others_sold").alias("others_sold"),
        F.min(ordered).alias("most"),
    )
    kept = F.col("period.kept")

    def unless_kept(name: str, value: Column) -> Column:
        return F.when(kept.isNull(), value).otherwise(kept[name]).alias(name)

    estimated = sums_by_period.select(
        *("product_id", "started_at", *(f"period.{name}" for name in rest if name != "kept")),
        unless_kept("demand_share", ratio(F.col("sold"), F.col("others_sold"))),
        unless_kept("currency", F.col("most.currency")),
        unless_kept("unit_price_cents", ratio(F.col("most.gmv_cents"), negated(F.col("most.units")))),
    ).withColumn("lost_units", F.col("demand_share") * F.col("shop_sold"))
    # Spark's floor saturates at the limits of 64 bits.
    lost_cents = F.floor(F.col("lost_units") * F.col("unit_price_cents") + 0.5)
    return estimated.withColumn("lost_cents", lost_cents).select(*STOCK_OUTS.value_columns)
