"""Days of cover, safety stock and reorder points."""

from datetime import date
from statistics import NormalDist

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis import STOCK_COVER
from shopnow.kpis.stock import DEMAND_DAYS
from shopnow_spark.kpis.safe_math import WIDE_DECIMAL, deviation, ratio, wide_total

DAY = 86_400


def stock_cover(
    position: DataFrame,
    daily: DataFrame,
    outs: DataFrame,
    *,
    today: date,
    service_level: float,
    lead_time_days: float,
) -> DataFrame:
    """Compute days of cover, safety stock and reorder point of every product.

    Args:
        position, daily, outs: rows of `kpi/stock_position`, `kpi/stock_daily` (from each product's latest day
            before the last `DEMAND_DAYS` on) and `kpi/stock_outs`.
        today: date of the computation; later days are ignored.
        service_level: probability that the safety stock lasts until the next delivery.
        lead_time_days: minimum lead time of a delivery.
    """
    past = daily.where(F.col("date") <= F.lit(today))
    days = _days(past)
    demand = (
        _product_days(past, days)
        .groupBy("product_id")
        .agg(
            wide_total(F.col("sold")).alias("sold"),
            wide_total(F.col("in_stock_seconds")).alias("in_stock"),
            *_moments(F.when(F.col("in_stock_seconds") > 0, F.col("sold")), "days"),
        )
    )
    as_of = F.broadcast(days.agg(F.max("as_of").alias("as_of")))
    products = position.select("product_id", "product_name", "quantity").crossJoin(as_of)
    known = products.join(demand, "product_id", "left").join(_lead_times(outs, as_of), "product_id", "left")
    return _cover(known, NormalDist().inv_cdf(service_level), lead_time_days).select(
        *STOCK_COVER.value_columns
    )


def _days(daily: DataFrame) -> DataFrame:
    """Return the days that count, with their observed seconds, and the last of them as `as_of`."""
    days = daily.groupBy(F.col("date").alias("day")).agg(F.max("observed_seconds").alias("observed_seconds"))
    return days.withColumn("as_of", F.max("day").over(Window.partitionBy())).where(
        F.col("day") > F.date_sub("as_of", DEMAND_DAYS)
    )


def _product_days(daily: DataFrame, days: DataFrame) -> DataFrame:
    """Return each product's units sold and time in stock per day, also for days without a row."""
    until = F.lead("date").over(Window.partitionBy("product_id").orderBy("date"))
    rows = daily.select(
        "product_id", "date", "sold", "in_stock_seconds", "closing", until.alias("until")
    ).alias("rows")
    covers = (F.col("day") >= F.col("date")) & (F.col("until").isNull() | (F.col("day") < F.col("until")))
    is_own_day = F.col("day") == F.col("date")
    idle = F.when(F.col("closing") > 0, F.col("observed_seconds")).otherwise(0)
    return rows.join(F.broadcast(days), covers).select(
        "product_id",
        F.when(is_own_day, F.col("sold")).otherwise(0).alias("sold"),
        F.when(is_own_day, F.col("in_stock_seconds")).otherwise(idle).alias("in_stock_seconds"),
    )


def _lead_times(outs: DataFrame, as_of: DataFrame) -> DataFrame:
    """Aggregate the durations of the products' ended stock-outs that began on the days that count."""
    began = F.to_date("started_at")
    counts = (
        F.col("ended_at").isNotNull() & (began > F.date_sub("as_of", DEMAND_DAYS)) & (began <= F.col("as_of"))
    )
    return (
        outs.crossJoin(as_of)
        .where(counts)
        .groupBy("product_id")
        .agg(*_moments(F.col("duration_seconds"), "waits"))
    )


def _moments(value: Column, name: str) -> list[Column]:
    """Return count, sum and sum of squares of a group's values."""
    wide = value.cast(WIDE_DECIMAL)
    return [
        F.count(value).alias(name),
        wide_total(value).alias(f"{name}_sum"),
        F.try_sum(wide * wide).alias(f"{name}_squares"),
    ]


def _cover(known: DataFrame, z: float, lead_time_days: float) -> DataFrame:
    demand, lead, raw = F.col("demand_per_day"), F.col("lead_time_days"), F.col("raw")
    waits = F.coalesce("waits", F.lit(0))
    mean = ratio(F.col("waits_sum"), waits) / DAY

    def pieces(value: Column) -> Column:
        return F.ceil(F.round(value, 6))

    return (
        known.withColumns(
            {
                "demand_per_day": ratio(F.col("sold").cast("double") * DAY, F.col("in_stock")),
                "demand_sd": deviation(F.col("days"), F.col("days_sum"), F.col("days_squares")),
                "lead_time_days": F.greatest(mean, F.lit(lead_time_days)),
                "lead_time_sd_days": F.coalesce(
                    deviation(waits, F.col("waits_sum"), F.col("waits_squares")) / DAY, F.lit(0.0)
                ),
            }
        )
        .withColumn(
            "raw",
            z
            * F.sqrt(
                lead * F.col("demand_sd") * F.col("demand_sd")
                + demand * demand * F.pow("lead_time_sd_days", F.lit(2.0))
            ),
        )
        .withColumns(
            {
                "days_of_cover": F.when(demand > 0, F.col("quantity") / demand),
                "safety_stock": pieces(raw),
                "reorder_point": pieces(demand * lead + raw),
            }
        )
        .withColumn("below_reorder_point", F.col("quantity") <= F.col("reorder_point"))
    )
