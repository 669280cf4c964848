"""Orders placed: what their items come to, and what part of an amount is each category's."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopnow_spark.kpis.sums import WIDE


def placed(orders: DataFrame) -> DataFrame:
    """The orders placed; one placed twice under the same order_id was placed twice."""
    return orders.where("event_type = 'order_placed'")


def gross(item: Column) -> Column:
    return item["quantity"] * item["unit_price_cents"]


def sum_of(items: Column, value: Callable[[Column], Column]) -> Column:
    """The sum of a value of each item, wide."""
    return F.aggregate(items, F.lit(0).cast(WIDE), lambda total, item: (total + value(item)).cast(WIDE))


def by_category(items: Column) -> Column:
    """Array of an order's categories in order of name, each once: category, units, gmv_cents."""

    def sums(category: Column) -> Column:
        own = F.filter(items, lambda item: item["category"] == category)
        return F.struct(
            category.alias("category"),
            sum_of(own, lambda item: item["quantity"]).alias("units"),
            sum_of(own, gross).alias("gmv_cents"),
        )

    return F.transform(F.array_sort(F.array_distinct(items["category"])), sums)


def weighed(categories: Column) -> Column:
    """The same array with what tells each category's part of an amount: its weight, `before` (of those in front of it), `whole`.

    The weight is the gross value, or if the order has none, the number of pieces.
    """
    worthless = F.forall(categories, lambda each: each["gmv_cents"] == 0)

    def weight(each: Column) -> Column:
        return F.when(worthless, each["units"]).otherwise(each["gmv_cents"])

    def weigh(each: Column) -> Column:
        in_front = F.filter(categories, lambda other: other["category"] < each["category"])
        return F.struct(
            each["category"].alias("category"),
            each["units"].alias("units"),
            each["gmv_cents"].alias("gmv_cents"),
            weight(each).alias("weight"),
            sum_of(in_front, weight).alias("before"),
            sum_of(categories, weight).alias("whole"),
        )

    return F.transform(categories, weigh)


def part(amount: str) -> Column:
    """The part of an amount that goes to the weighed category of the row: rounded-down running total less that before."""
    wide = f"CAST({amount} AS {WIDE})"
    return F.expr(f"({wide} * (before + weight)) div whole - ({wide} * before) div whole")
