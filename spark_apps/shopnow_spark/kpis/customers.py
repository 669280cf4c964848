"""Who buys: customers, cohorts, and how far their visits lead."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis.sales import ORDER_DAYS
from shopnow_spark.kpis.orders import placed
from shopnow_spark.kpis.safe_math import day, ratio, together, total


def customer_orders(known: DataFrame | None, orders: DataFrame) -> DataFrame:
    """The orders of every customer: those `known` so far, and orders placed it has not seen."""
    columns = ("customer_id", "first_order_at", "last_order_at", "orders")
    time = F.col("event_time")
    new = placed(orders).select(
        "customer_id", time.alias("first_order_at"), time.alias("last_order_at"), F.lit(1).alias("orders")
    )
    rows = new if known is None else known.select(*columns).unionByName(new)
    return rows.groupBy("customer_id").agg(
        F.min("first_order_at").alias("first_order_at"),
        F.max("last_order_at").alias("last_order_at"),
        total(F.col("orders")).alias("orders"),
    )


def customers(orders: DataFrame, customer_orders: DataFrame) -> DataFrame:
    """Customers by day."""
    # Who is new on a day is told by the days of first orders alone: nobody has to be looked up among all customers.
    bought = placed(orders).select(F.col("event_date").alias("date"), "customer_id").distinct()
    new = customer_orders.select(F.to_date("first_order_at").alias("date"), F.lit(True).alias("new"))
    return (
        together([bought, new])
        .groupBy("date")
        .agg(F.count("customer_id").alias("customers"), F.count_if("new").alias("new"))
        .where("customers > 0")
        .withColumn("returning", F.expr("customers - new"))
        .withColumn("repeat_rate", ratio("returning", "customers"))
    )


def cohorts(orders: DataFrame, customer_orders: DataFrame) -> DataFrame:
    """Customers of each month by the month of their first order."""
    bought = placed(orders).select("customer_id", F.trunc("event_date", "month").alias("date"))
    known = customer_orders.select(
        "customer_id", F.trunc(F.to_date("first_order_at"), "month").alias("cohort")
    )
    sizes = known.groupBy("cohort").agg(F.count("*").alias("cohort_size"))
    return (
        bought.join(known, "customer_id")
        .distinct()
        .groupBy("date", "cohort")
        .agg(F.count("*").alias("customers"))
        .join(F.broadcast(sizes), "cohort")
        .withColumn("months_since", F.expr("12 * (year(date) - year(cohort)) + month(date) - month(cohort)"))
        .withColumn("retention", ratio("customers", "cohort_size"))
    )


def funnel(
    views: DataFrame, carts: DataFrame, orders: DataFrame, payments: DataFrame, deliveries: DataFrame
) -> DataFrame:
    """How many of the sessions that began on a day went how far."""
    begun = _sessions(views, carts, _orders(orders, payments, deliveries)).select(
        "day", *(day(f"cart.{name}").alias(name) for name in _AFTER)
    )
    ordered = F.expr("ordered_at <= day + 1")
    return (
        begun.groupBy("day")
        .agg(
            F.count("*").alias("viewed"),
            F.count_if(F.expr("added_at <= day + 1")).alias("carted"),
            F.count_if(ordered).alias("ordered"),
            F.count_if(ordered & F.expr(f"paid_at <= day + {ORDER_DAYS}")).alias("paid"),
            F.count_if(ordered & F.expr(f"delivered_at <= day + {ORDER_DAYS}")).alias("delivered"),
        )
        .withColumn("carts_abandoned", F.expr("carted - ordered"))
        .withColumn("checkouts_abandoned", F.expr("ordered - paid"))
        .withColumn("cart_abandonment", ratio("carts_abandoned", "carted"))
        .withColumn("checkout_abandonment", ratio("checkouts_abandoned", "ordered"))
        .withColumn("conversion", ratio("paid", "viewed"))
        .withColumn("date", F.date_from_unix_date("day"))
        .drop("day")
    )


_AFTER = ("added_at", "ordered_at", "paid_at", "delivered_at")


def _orders(orders: DataFrame, payments: DataFrame, deliveries: DataFrame) -> DataFrame:
    """Orders placed: session_id, at, and a struct `purchase` with the first payment after it and the first delivery after that."""
    at = F.col("event_time").alias("at")
    steps = _steps(
        placed(orders).select("order_id", at, "session_id", "event_id"),
        payments.where("event_type = 'payment_succeeded'").select(
            "order_id", at, F.col("event_time").alias("paid_at")
        ),
        deliveries.where("event_type = 'delivery_delivered'").select(
            "order_id", at, F.col("event_time").alias("delivered_at")
        ),
    )
    return (
        steps.withColumn("delivered_at", _from_then_on("order_id", F.col("delivered_at")))
        .withColumn(
            "payment",
            _from_then_on("order_id", F.expr("if(paid_at IS NULL, NULL, struct(paid_at, delivered_at))")),
        )
        .where("session_id IS NOT NULL")
        .select(
            "session_id",
            "at",
            F.expr("struct(at AS ordered_at, event_id, payment.paid_at, payment.delivered_at)").alias(
                "purchase"
            ),
        )
    )


def _sessions(views: DataFrame, carts: DataFrame, purchases: DataFrame) -> DataFrame:
    """Sessions that began: their day, and a struct `cart` with the first item added after that and the first order after it."""
    at = F.col("event_time").alias("at")
    steps = _steps(
        views.groupBy("session_id", "event_date")
        .agg(F.min("event_time").alias("at"))
        .select("session_id", "at", F.lit(True).alias("seen")),
        carts.where("event_type = 'cart_item_added'").select(
            "session_id", at, F.col("event_time").alias("added_at")
        ),
        purchases,
    )
    day_before = Window.partitionBy("session_id").orderBy(F.desc("day")).rangeBetween(1, 1)
    return (
        steps.withColumn("purchase", _from_then_on("session_id", F.col("purchase")))
        .withColumn(
            "cart",
            _from_then_on("session_id", F.expr("if(added_at IS NULL, NULL, struct(added_at, purchase.*))")),
        )
        .withColumn("seen_before", F.max("seen").over(day_before))
        .where("seen AND seen_before IS NULL")
    )


def _steps(*frames: DataFrame) -> DataFrame:
    return together(frames).withColumn("day", day("at"))


def _from_then_on(key: str, value: Column) -> Column:
    """The least value of the rows with the same key that are not before the row."""
    # From the latest on, as a frame that grows row by row. Sorted by the day first, as the window of days needs it.
    return F.min(value).over(Window.partitionBy(key).orderBy(F.desc("day"), F.desc("at")))
