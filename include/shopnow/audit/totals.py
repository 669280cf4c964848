"""Totals of sales and stock, computed independently of the Spark job from the ledger and from events."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.traffic.ledger_totals import LedgerTotals

SALES = ["orders", "units", "gmv_cents", "paid_cents", "refunds_cents", "net_revenue_cents"]


def sales_from_ledger(totals: LedgerTotals) -> pd.DataFrame:
    """Return `SALES` by date from the ledger's totals."""
    rows = [
        (
            date,
            day.orders,
            day.units,
            day.gmv_cents,
            day.payments_succeeded_cents,
            day.refunds_cents,
            day.net_revenue_cents,
        )
        for date, day in totals.days.items()
    ]
    return pd.DataFrame(rows, columns=["date", *SALES]).set_index("date")


def sales_from_events(orders: pa.Table, payments: pa.Table) -> pd.DataFrame:
    """Return `SALES` by date from the rows of the two events tables."""
    placed = orders.filter(pc.equal(orders["event_type"], "order_placed"))
    lines = placed["items"].combine_chunks()
    quantity, price = (
        pc.list_flatten(lines).field(name).to_numpy(zero_copy_only=False)
        for name in ("quantity", "unit_price_cents")
    )
    dates = placed["event_date"].combine_chunks()
    items = pd.DataFrame(
        {
            "date": dates.take(pc.list_parent_indices(lines)).to_pandas(),
            "units": quantity,
            "gmv_cents": quantity * price,
        }
    )
    paid = payments.select(["event_date", "event_type", "amount_cents"]).to_pandas()

    def amounts(event_type: str) -> pd.Series:
        return paid[paid["event_type"] == event_type].groupby("event_date")["amount_cents"].sum()

    figures = items.groupby("date").sum()
    figures = pd.concat(
        [
            dates.to_pandas().value_counts().rename("orders"),
            figures,
            amounts("payment_succeeded").rename("paid_cents"),
            amounts("payment_refunded").rename("refunds_cents"),
        ],
        axis=1,
    )
    figures = figures.fillna(0).astype("int64")
    return figures.assign(net_revenue_cents=figures["paid_cents"] - figures["refunds_cents"])[
        SALES
    ].sort_index()


def stock(quantities: dict[str, int]) -> pd.DataFrame:
    """Return a frame of `quantity` by product from a mapping."""
    return pd.DataFrame({"quantity": pd.Series(quantities, dtype="int64")}).rename_axis("product_id")


def first_difference(left: pd.DataFrame, right: pd.DataFrame, left_name: str, right_name: str) -> str | None:
    """Describe the first value that differs in the common columns; None if all are equal.

    A row that one side lacks counts as zeros.
    """
    columns = [name for name in left.columns if name in right.columns]
    left, right = left[columns].align(right[columns], join="outer", axis=0, fill_value=0)
    for row in sorted(left.index, key=str):
        for column in columns:
            expected, actual = left.at[row, column], right.at[row, column]
            if expected != actual:
                return f"{row} {column}: {expected:,} in {left_name}, {actual:,} in {right_name}"
    return None
