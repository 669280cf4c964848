"""Orders placed: totals of their items, overall and by category."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from shopnow_spark.kpis.safe_math import MAX_BIGINT, WIDE_DECIMAL


def orders_placed(orders: DataFrame) -> DataFrame:
    """Keep the orders placed; a second one with the same order_id counts as another order."""
    return orders.where("event_type = 'order_placed'")


# Only item fields addressed by path, such as `items.quantity`, are read from the files.
def units() -> Column:
    """Σ quantity of an order."""
    return F.aggregate("items.quantity", F.lit(0).cast("bigint"), lambda sum, quantity: sum + quantity)


def gmv_cents() -> Column:
    """Σ quantity × unit price of an order, saturated at MAX_BIGINT like every total."""
    price = "items.unit_price_cents"
    amounts = F.transform("items.quantity", lambda quantity, nth: quantity * F.get(price, nth))
    return F.aggregate(
        amounts, F.lit(0).cast("bigint"), lambda sum, amount: sum + F.least(amount, MAX_BIGINT - sum)
    )


def lines() -> Column:
    """Return the items of an order without their names."""
    # Not by `arrays_zip`, whose fields Sail numbers.
    numbers = ("quantity", "unit_price_cents")
    return F.transform(
        "items.category",
        lambda category, nth: F.struct(
            category.alias("category"), *(F.get(f"items.{name}", nth).alias(name) for name in numbers)
        ),
    )


def gross(line: Column) -> Column:
    return line["quantity"] * line["unit_price_cents"]


def category_totals(lines: str) -> Column:
    """Return the distinct categories of an order, sorted, as structs of category, units and gmv_cents."""

    def sum_of(category: Column, value: Callable[[Column], Column]) -> Column:
        def add(sum: Column, line: Column) -> Column:
            return F.when(line["category"] == category, (sum + value(line)).cast(WIDE_DECIMAL)).otherwise(sum)

        return F.aggregate(lines, F.lit(0).cast(WIDE_DECIMAL), add)

    def sums(category: Column) -> Column:
        units, gmv_cents = sum_of(category, lambda line: line["quantity"]), sum_of(category, gross)
        return F.struct(category.alias("category"), units.alias("units"), gmv_cents.alias("gmv_cents"))

    return F.transform(F.array_sort(F.array_distinct(f"{lines}.category")), sums)


def weights(categories: str) -> Column:
    """Return the categories' weights in an order's amounts: gross value, or units if that is 0."""
    has_no_value = F.forall(f"{categories}.gmv_cents", lambda gmv_cents: gmv_cents == 0)
    return F.when(has_no_value, F.col(f"{categories}.units")).otherwise(F.col(f"{categories}.gmv_cents"))


def allocated_share(amount: str, weights: str, nth: str) -> Column:
    """Return the share of an amount for the nth weight, from 0.

    Shares are differences of rounded-down running totals, so they add up to the amount.
    """

    def running_total(count: Column) -> Column:
        first, all_weights = _sum(F.slice(weights, F.lit(1), count)), _sum(F.col(weights))
        return F.call_function("div", F.col(amount).cast(WIDE_DECIMAL) * first, all_weights)

    share = running_total(F.col(nth) + 1) - running_total(F.col(nth))
    return F.when(F.size(weights) == 1, F.col(amount)).otherwise(share)


def _sum(numbers: Column) -> Column:
    return F.aggregate(
        numbers, F.lit(0).cast(WIDE_DECIMAL), lambda sum, number: (sum + number).cast(WIDE_DECIMAL)
    )
