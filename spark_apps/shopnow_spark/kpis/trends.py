"""How sales develop: this week beside the one before, and hours that are not as they usually are."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis import ANOMALIES, TRENDS
from shopnow.kpis.trends import COMPARED, LIMIT, WATCHED, WEEKS, WEEKS_AT_LEAST
from shopnow_spark.kpis.safe_math import ratio, total
from shopnow_spark.kpis.times import DAY, HOUR, midnight

_WEEK = 7 * DAY


def trends(hourly: DataFrame, *, now: datetime) -> DataFrame:
    """The week to each day beside the week before, where both are equally complete; `now` is when the rows are computed."""
    # An hour counts for its own day and for the days after that look back on it.
    looks_back = F.explode(F.array(*(F.date_add("date", days) for days in range(16)))).alias("day")
    seen = hourly.select("currency", "date", F.unix_micros("hour").alias("hour"), looks_back, *COMPARED)
    hour, as_of = F.col("hour"), F.col("as_of")
    beginning = as_of - 2 * _WEEK
    weeks = {
        "this_week": (hour >= as_of - _WEEK) & (hour < as_of),
        "week_before": (hour >= beginning) & (hour < as_of - _WEEK),
    }
    sums = {
        week: F.struct(*(total(F.when(in_it, F.col(name))).alias(name) for name in COMPARED))
        for week, in_it in weeks.items()
    }
    days = (
        seen.join(F.broadcast(_ends(hourly, now)), "day")
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
        for name in COMPARED
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
        .select(*TRENDS.content)
    )


def anomalies(hourly: DataFrame, *, now: datetime) -> DataFrame:
    """The hours of each day beside the same hours a few weeks before; `now` is when the rows are computed."""
    hours = F.map_from_entries(F.collect_list(F.struct(F.hour("hour"), F.struct(*WATCHED)))).alias("hours")
    days = hourly.groupBy(F.col("date").alias("day"), "currency").agg(hours)
    later = F.explode(F.array(*(F.date_add("day", 7 * weeks) for weeks in range(1, WEEKS + 1)))).alias("day")
    past = (
        days.select(later, "currency", "hours")
        .groupBy("day", "currency")
        .agg(F.collect_list("hours").alias("past"))
    )
    known = (
        past.where(F.size("past") >= WEEKS_AT_LEAST)
        .join(days, ["day", "currency"], "left")
        .join(F.broadcast(_ends(hourly, now)), "day")
    )
    over = F.call_function("div", F.col("as_of") - midnight(F.col("day")), F.lit(HOUR)).cast("int")

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
        known.withColumn("nth", F.explode(F.sequence(F.lit(0), over - 1)))
        .withColumn("of", F.explode(F.array(*map(values, WATCHED))))
        .select(
            F.timestamp_micros(midnight(F.col("day")) + F.col("nth") * HOUR).alias("hour"),
            *(F.col("day").alias("date"), "currency", F.size("past").alias("weeks"), "of.*"),
        )
        .withColumn("expected", _median(F.col("values")))
        .withColumn("deviation", _median(deviations))
        .withColumn("score", (F.col("value") - F.col("expected")) / least)
        .withColumn("anomaly", F.abs("score") > LIMIT)
        .select(*ANOMALIES.content)
    )


def _ends(hourly: DataFrame, now: datetime) -> DataFrame:
    """Of each day the time, in µs, up to which sales are known; not of days of which no hour is over."""
    hour = F.unix_micros("hour")
    time = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    last = F.max(F.when(hour + HOUR <= time, hour)).alias("last")
    day = F.col("day")
    goes_on = F.lead("day").over(Window.orderBy("day")) == F.date_add("day", 1)
    ends = F.when(goes_on, midnight(day) + DAY).otherwise(F.col("last") + HOUR)
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
