"""Orders placed: what their items come to, altogether and by category."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopnow_spark.kpis.safe_math import HIGHEST, WIDE


def placed(orders: DataFrame) -> DataFrame:
    """The orders placed; what is placed again with the same order_id is an order of its own."""
    return orders.where("event_type = 'order_placed'")


# Of the items, only fields that are named like `items.quantity` are read from the files.
def units() -> Column:
    """Σ quantity of an order."""
    return F.aggregate("items.quantity", F.lit(0).cast("bigint"), lambda sum, quantity: sum + quantity)


def gmv_cents() -> Column:
    """Σ quantity × unit price of an order; like every total it stops at the highest number."""
    lines = F.zip_with("items.quantity", "items.unit_price_cents", lambda quantity, price: quantity * price)
    return F.aggregate(lines, F.lit(0).cast("bigint"), lambda sum, line: sum + F.least(line, HIGHEST - sum))


def lines() -> Column:
    """The items of an order without names."""
    return F.arrays_zip("items.category", "items.quantity", "items.unit_price_cents")


def gross(line: Column) -> Column:
    return line["quantity"] * line["unit_price_cents"]


def by_category(lines: str) -> Column:
    """The categories of an order in order of name, each once, as structs of category, units and gmv_cents, the sums wide."""

    def sum_of(category: Column, value: Callable[[Column], Column]) -> Column:
        def add(sum: Column, line: Column) -> Column:
            return F.when(line["category"] == category, (sum + value(line)).cast(WIDE)).otherwise(sum)

        return F.aggregate(lines, F.lit(0).cast(WIDE), add)

    def sums(category: Column) -> Column:
        units, gmv_cents = sum_of(category, lambda line: line["quantity"]), sum_of(category, gross)
        return F.struct(category.alias("category"), units.alias("units"), gmv_cents.alias("gmv_cents"))

    return F.transform(F.array_sort(F.array_distinct(f"{lines}.category")), sums)


def weights(categories: str) -> Column:
    """By what amounts of an order are divided among its categories: their gross value, or if all of it is zero, their pieces."""
    worthless = F.forall(f"{categories}.gmv_cents", lambda gmv_cents: gmv_cents == 0)
    return F.when(worthless, F.col(f"{categories}.units")).otherwise(F.col(f"{categories}.gmv_cents"))


def part(amount: str, weights: str, nth: str) -> Column:
    """The part of an amount that goes to the nth weight, from 0: the rounded-down running total less that before."""

    def until(count: Column) -> Column:
        up_to_there, all_of_them = _sum(F.slice(weights, F.lit(1), count)), _sum(F.col(weights))
        return F.call_function("div", F.col(amount).cast(WIDE) * up_to_there, all_of_them)

    return F.when(F.size(weights) == 1, F.col(amount)).otherwise(until(F.col(nth) + 1) - until(F.col(nth)))


def _sum(numbers: Column) -> Column:
    return F.aggregate(numbers, F.lit(0).cast(WIDE), lambda sum, number: (sum + number).cast(WIDE))
