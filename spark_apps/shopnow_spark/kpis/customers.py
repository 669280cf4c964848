"""Customer KPIs: customers, cohorts and the conversion funnel."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from shopnow.kpis.sales import ORDER_DAYS
from shopnow_spark.kpis.orders import orders_placed
from shopnow_spark.kpis.safe_math import day, ratio, total, union_all
from shopnow_spark.kpis.times import first_of_month


def customer_orders(known: DataFrame | None, orders: DataFrame) -> DataFrame:
    """Merge the `known` order totals of every customer with newly placed orders."""
    columns = ("customer_id", "first_order_at", "last_order_at", "orders")
    time = F.col("event_time")
    new = orders_placed(orders).select(
        "customer_id", time.alias("first_order_at"), time.alias("last_order_at"), F.lit(1).alias("orders")
    )
    rows = new if known is None else known.select(*columns).unionByName(new)
    return rows.groupBy("customer_id").agg(
        F.min("first_order_at").alias("first_order_at"),
        F.max("last_order_at").alias("last_order_at"),
        total(F.col("orders")).alias("orders"),
    )


def customers(orders: DataFrame, customer_orders: DataFrame) -> DataFrame:
    """Count customers by day."""
    # Dates of first orders alone tell who is new, so no join with all customers is needed.
    bought = orders_placed(orders).select(F.col("event_date").alias("date"), "customer_id").distinct()
    new = customer_orders.select(F.to_date("first_order_at").alias("date"), F.lit(True).alias("new"))
    return (
        union_all([bought, new])
        .groupBy("date")
        .agg(F.count("customer_id").alias("customers"), F.count_if("new").alias("new"))
        .where("customers > 0")
        .withColumn("returning", F.expr("customers - new"))
        .withColumn("repeat_rate", ratio("returning", "customers"))
    )


def cohorts(orders: DataFrame, customer_orders: DataFrame) -> DataFrame:
    """Count the customers of each month by the month of their first order."""
    bought = orders_placed(orders).select("customer_id", first_of_month(F.col("event_date")).alias("date"))
    known = customer_orders.select("customer_id", first_of_month(F.to_date("first_order_at")).alias("cohort"))
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
    """Count the sessions that began on a day by the funnel step they reached."""
    sessions = _sessions(views, carts, _orders(orders, payments, deliveries)).select(
        "day", *(day(f"cart.{name}").alias(name) for name in _AFTER)
    )
    ordered = F.expr("ordered_at <= day + 1")
    return (
        sessions.groupBy("day")
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
    """Return orders placed: session_id, at, and a struct `purchase`.

    `purchase` holds the first payment after the order and the first delivery after that payment.
    """
    at = F.col("event_time").alias("at")
    steps = _steps(
        orders_placed(orders).select("order_id", at, "session_id", "event_id"),
        payments.where("event_type = 'payment_succeeded'").select(
            "order_id", at, F.col("event_time").alias("paid_at")
        ),
        deliveries.where("event_type = 'delivery_delivered'").select(
            "order_id", at, F.col("event_time").alias("delivered_at")
        ),
    )
    return (
        steps.withColumn("delivered_at", _min_from_row_on("order_id", F.col("delivered_at")))
        .withColumn(
            "payment",
            _min_from_row_on("order_id", F.expr("if(paid_at IS NULL, NULL, struct(paid_at, delivered_at))")),
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
    """Return sessions by the day they began, with a struct `cart`.

    `cart` holds the first item added after the beginning and the first order after that.
    """
    at = F.col("event_time").alias("at")
    # Purchases first: Sail gives a struct that is missing in the first frame no type.
    steps = _steps(
        purchases,
        views.groupBy("session_id", "event_date")
        .agg(F.min("event_time").alias("at"))
        .select("session_id", "at", F.lit(True).alias("viewed")),
        carts.where("event_type = 'cart_item_added'").select(
            "session_id", at, F.col("event_time").alias("added_at")
        ),
    )
    day_before = Window.partitionBy("session_id").orderBy(F.desc("day")).rangeBetween(1, 1)
    names = ("ordered_at", "event_id", "paid_at", "delivered_at")
    fields = [F.col(f"purchase.{name}").alias(name) for name in names]
    cart = F.when(F.col("added_at").isNotNull(), F.struct("added_at", *fields))
    return (
        steps.withColumn("purchase", _min_from_row_on("session_id", F.col("purchase")))
        .withColumn("cart", _min_from_row_on("session_id", cart))
        .withColumn("viewed_day_before", F.max("viewed").over(day_before))
        .where("viewed AND viewed_day_before IS NULL")
    )


def _steps(*frames: DataFrame) -> DataFrame:
    return union_all(frames).withColumn("day", day("at"))


def _min_from_row_on(key: str, value: Column) -> Column:
    """Return the minimum of the rows with the same key that are not before the row."""
    # Descending order makes the frame grow row by row; the day comes first, so one sort serves both windows.
    return F.min(value).over(Window.partitionBy(key).orderBy(F.desc("day"), F.desc("at")))
