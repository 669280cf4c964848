"""Fulfilment KPIs: payments and deliveries."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis.sales import ORDER_DAYS
from shopnow_spark.kpis.safe_math import day, ratio, total

_RECENT = {
    kind: f"coalesce(latest_{kind} >= on - {ORDER_DAYS}, false)"
    for kind in ("created", "transit", "delivered")
}
"""SQL conditions: an event of the kind occurred on the day or within ORDER_DAYS before it."""


def payments(payments: DataFrame) -> DataFrame:
    """Aggregate payments by day, currency and method."""
    succeeded, failed, refunded = (
        F.col("event_type") == f"payment_{what}" for what in ("succeeded", "failed", "refunded")
    )
    recovered = succeeded & (F.col("attempt") > 1)

    def amount(counted: Column) -> Column:
        return total(F.when(counted, F.col("amount_cents")))

    return (
        payments.groupBy(F.col("event_date").alias("date"), "currency", "method")
        .agg(
            F.count_if(succeeded | failed).alias("attempts"),
            F.count_if(succeeded).alias("succeeded"),
            F.count_if(failed).alias("failed"),
            F.count_if(recovered).alias("recovered"),
            amount(succeeded).alias("paid_cents"),
            amount(recovered).alias("recovered_cents"),
            F.count_if(refunded).alias("refunds"),
            amount(refunded).alias("refunds_cents"),
        )
        .withColumn("failure_rate", ratio("failed", "attempts"))
    )


def deliveries(deliveries: DataFrame) -> DataFrame:
    """Aggregate deliveries by day: their events of that day, and their states after its last event."""
    days = (
        _with_history(deliveries)
        .withColumn("on", F.explode(F.sequence("day", _last_open_day())))
        .withColumn("happened", F.expr("on = day"))
        .withColumn("first", F.expr("happened AND first"))
        .withColumn(
            "pending",
            F.expr(
                f"last_of_day AND {_RECENT['created']} "
                f"AND NOT {_RECENT['transit']} AND NOT {_RECENT['delivered']}"
            ),
        )
        .withColumn(
            "in_transit", F.expr(f"last_of_day AND {_RECENT['transit']} AND NOT {_RECENT['delivered']}")
        )
    )
    took = F.unix_millis("event_time") - F.unix_millis("created_at")
    undelivered, promised, delivered = (
        F.expr("pending OR in_transit"),
        day("promised_at"),
        F.expr("first AND kind = 'delivered'"),
    )
    return (
        days.groupBy("on")
        .agg(
            F.count_if(F.expr("first AND kind = 'created'")).alias("created"),
            F.count_if(F.expr("first AND kind = 'transit'")).alias("shipped"),
            F.count_if(delivered).alias("delivered"),
            F.count_if(delivered & (F.col("event_time") <= F.col("promised_at"))).alias("on_time"),
            F.sum(F.when(delivered, took)).alias("milliseconds"),
            F.count(F.when(delivered, took)).alias("timed"),
            F.max(F.when(F.col("happened"), F.col("event_time"))).alias("as_of"),
            F.count_if("pending").alias("pending"),
            F.count_if("in_transit").alias("in_transit"),
            F.count_if(undelivered & (promised < F.col("on"))).alias("overdue"),
            F.collect_list(F.when(undelivered & (promised == F.col("on")), F.col("promised_at"))).alias(
                "due"
            ),
        )
        .where("as_of IS NOT NULL")  # days without events have no row
        .withColumn("date", F.date_from_unix_date("on"))
        .withColumn("on_time_rate", ratio("on_time", "delivered"))
        .withColumn("days_to_deliver", ratio("milliseconds", "timed") / 86_400_000)
        .withColumn("overdue", F.expr("overdue + size(filter(due, promised_at -> promised_at < as_of))"))
        .drop("on", "due", "milliseconds", "timed")
    )


def _with_history(deliveries: DataFrame) -> DataFrame:
    """Return every event with the history of its delivery up to then.

    `latest_{kind}` is the latest day with an event of that kind, `first` is true for the first of its kind,
    and `created_at` is when the delivery was created, all within ORDER_DAYS; `last_of_day` and `next_day`
    tell how long the state lasts.
    """
    events = deliveries.select(
        *("delivery_id", "event_time", "event_id", "promised_at"),
        F.substring_index("event_type", "_", -1).alias("kind"),
        day("event_time").alias("day"),
    )
    in_order = Window.partitionBy("delivery_id").orderBy("day", "event_time", "event_id")
    by_day = Window.partitionBy("delivery_id").orderBy("day").rangeBetween(-ORDER_DAYS, 0)
    earlier = in_order.rowsBetween(Window.unboundedPreceding, -1)
    day_of = {kind: F.when(F.col("kind") == kind, F.col("day")) for kind in _RECENT}
    return (
        events.select(
            "*",
            *(F.max(day_of[kind]).over(earlier).alias(f"earlier_{kind}") for kind in day_of),
            F.lead("day").over(in_order).alias("next_day"),
        )
        .withColumn("created_at", F.min(F.when(F.col("kind") == "created", F.col("event_time"))).over(by_day))
        .select(
            *("event_time", "promised_at", "kind", "day", "next_day", "created_at"),
            F.expr("next_day IS NULL OR next_day > day").alias("last_of_day"),
            F.expr(
                "coalesce(CASE kind WHEN 'created' THEN earlier_created WHEN 'transit' THEN earlier_transit "
                f"ELSE earlier_delivered END < day - {ORDER_DAYS}, true)"
            ).alias("first"),
            *(F.greatest(f"earlier_{kind}", day_of[kind]).alias(f"latest_{kind}") for kind in day_of),
        )
    )


def _last_open_day() -> Column:
    """Return the last day on which the event is the latest of an open delivery, or the event's day."""
    open_until = F.expr(f"greatest(latest_created, latest_transit) + {ORDER_DAYS}")
    # `least` skips nulls: without the condition, a delivery that was never open would have rows for every
    # day up to its next event.
    until = F.when(open_until.isNotNull(), F.least(F.expr("next_day - 1"), open_until))
    delivered = F.col("latest_delivered") + ORDER_DAYS >= until
    return F.when(
        F.col("last_of_day") & ~F.coalesce(delivered, F.lit(False)), F.greatest("day", until)
    ).otherwise(F.col("day"))
