"""Trends of sales: week over week, and anomalous hours."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis import ANOMALIES, TRENDS
from shopnow.kpis.trends import (
    ANOMALY_FIGURES,
    ANOMALY_SCORE,
    BASELINE_WEEKS,
    MIN_BASELINE_WEEKS,
    TREND_FIGURES,
)
from shopnow_spark.kpis.safe_math import ratio, total
from shopnow_spark.kpis.times import DAY, HOUR, midnight

_WEEK = 7 * DAY


def trends(hourly: DataFrame, *, now: datetime) -> DataFrame:
    """Compare the week up to each day with the week before, both equally complete.

    Args:
        now: time of the computation.
    """
    # An hour counts for its own day and for the later days whose weeks include it.
    looks_back = F.explode(F.array(*(F.date_add("date", days) for days in range(16)))).alias("day")
    hours_by_day = hourly.select(
        "currency", "date", F.unix_micros("hour").alias("hour"), looks_back, *TREND_FIGURES
    )
    hour, as_of = F.col("hour"), F.col("as_of")
    beginning = as_of - 2 * _WEEK
    weeks = {
        "this_week": (hour >= as_of - _WEEK) & (hour < as_of),
        "week_before": (hour >= beginning) & (hour < as_of - _WEEK),
    }
    sums = {
        week: F.struct(*(total(F.when(in_it, F.col(name))).alias(name) for name in TREND_FIGURES))
        for week, in_it in weeks.items()
    }
    days = (
        hours_by_day.join(F.broadcast(_ends(hourly, now)), "day")
        .groupBy("day", "as_of", "currency")
        .agg(
            F.max(F.col("date") == F.col("day")).alias("has_sales"),
            F.max((hour >= beginning - DAY) & (hour < beginning + DAY)).alias("known"),
            *(figures.alias(week) for week, figures in sums.items()),
        )
        .withColumn("known", F.max("known").over(Window.partitionBy("day")))
        .where("has_sales")
    )
    figures = (
        F.struct(F.lit(name).alias("figure"), *(F.col(week)[name].alias(week) for week in weeks))
        for name in TREND_FIGURES
    )
    this_week, week_before = (F.col(week).cast("decimal(20,0)") for week in weeks)
    return (
        days.withColumn("of", F.explode(F.array(*figures)))
        .select(
            F.col("day").alias("date"),
            "currency",
            F.timestamp_micros("as_of").alias("as_of"),
            "known",
            "of.*",
        )
        .withColumn("change", F.when(F.col("known"), ratio(this_week - week_before, F.abs(week_before))))
        .select(*TRENDS.value_columns)
    )


def anomalies(hourly: DataFrame, *, now: datetime) -> DataFrame:
    """Compare each hour with the same hour of the weeks before.

    Args:
        now: time of the computation.
    """
    hours = F.map_from_entries(F.collect_list(F.struct(F.hour("hour"), F.struct(*ANOMALY_FIGURES)))).alias(
        "hours"
    )
    days = hourly.groupBy(F.col("date").alias("day"), "currency").agg(hours)
    later = F.explode(
        F.array(*(F.date_add("day", 7 * weeks) for weeks in range(1, BASELINE_WEEKS + 1)))
    ).alias("day")
    past = (
        days.select(later, "currency", "hours")
        .groupBy("day", "currency")
        .agg(F.collect_list("hours").alias("past"))
    )
    known = (
        past.where(F.size("past") >= MIN_BASELINE_WEEKS)
        .join(days, ["day", "currency"], "left")
        .join(F.broadcast(_ends(hourly, now)), "day")
    )
    complete_hours = F.call_function("div", F.col("as_of") - midnight(F.col("day")), F.lit(HOUR)).cast("int")

    def values(name: str) -> Column:
        def value(hours: Column) -> Column:
            return F.coalesce(F.try_element_at(hours, F.col("nth"))[name], F.lit(0))

        return F.struct(
            F.lit(name).alias("figure"),
            value(F.col("hours")).alias("value"),
            F.transform("past", value).alias("values"),
            F.lit(100 if name.endswith("_cents") else 1).alias("least"),
        )

    deviations = F.transform("values", lambda value: F.abs(value - F.col("expected")))
    least = F.greatest(1.4826 * F.col("deviation"), F.abs("expected") / 10, F.col("least").cast("double"))
    return (
        known.withColumn("nth", F.explode(F.sequence(F.lit(0), complete_hours - 1)))
        .withColumn("of", F.explode(F.array(*map(values, ANOMALY_FIGURES))))
        .select(
            F.timestamp_micros(midnight(F.col("day")) + F.col("nth") * HOUR).alias("hour"),
            *(F.col("day").alias("date"), "currency", F.size("past").alias("weeks"), "of.*"),
        )
        .withColumn("expected", _median(F.col("values")))
        .withColumn("deviation", _median(deviations))
        .withColumn("score", (F.col("value") - F.col("expected")) / least)
        .withColumn("anomaly", F.abs("score") > ANOMALY_SCORE)
        .select(*ANOMALIES.value_columns)
    )


def _ends(hourly: DataFrame, now: datetime) -> DataFrame:
    """Return the time in µs up to which each day's sales are known, for days with a complete hour."""
    hour = F.unix_micros("hour")
    time = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    last = F.max(F.when(hour + HOUR <= time, hour)).alias("last")
    day = F.col("day")
    has_next_day = F.lead("day").over(Window.orderBy("day")) == F.date_add("day", 1)
    ends = F.when(has_next_day, midnight(day) + DAY).otherwise(F.col("last") + HOUR)
    return (
        hourly.groupBy(F.col("date").alias("day"))
        .agg(last)
        .select("day", ends.alias("as_of"))
        .where("as_of is not null")
    )


def _median(values: Column) -> Column:
    ordered, size = F.sort_array(values.cast("array<double>")), F.size(values)
    middle = [F.get(ordered, F.floor(position / 2).cast("int")) for position in (size - 1, size)]
    return (middle[0] + middle[1]) / 2
