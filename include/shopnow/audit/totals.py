"""Sales and stock figures in one form, worked out apart from the Spark job: from the ledger and from events."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from shopnow.traffic.ledger_totals import LedgerTotals

SALES = ["orders", "units", "gmv_cents", "paid_cents", "refunds_cents", "net_revenue_cents"]


def sales_of_ledger(totals: LedgerTotals) -> pd.DataFrame:
    """`SALES` by date, as the generator knows them."""
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


def sales_of_events(orders: pa.Table, payments: pa.Table) -> pd.DataFrame:
    """`SALES` by date, from rows of the two events tables."""
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
    """`quantity` by product, of a mapping."""
    return pd.DataFrame({"quantity": pd.Series(quantities, dtype="int64")}).rename_axis("product_id")


def difference(left: pd.DataFrame, right: pd.DataFrame, left_name: str, right_name: str) -> str | None:
    """The first figure that is not the same in both; None if all that both have as columns are. A row that one lacks is zeros."""
    columns = [name for name in left.columns if name in right.columns]
    one, other = left[columns].align(right[columns], join="outer", axis=0, fill_value=0)
    for row in sorted(one.index, key=str):
        for column in columns:
            if one.at[row, column] != other.at[row, column]:
                return f"{row} {column}: {one.at[row, column]:,} in {left_name}, {other.at[row, column]:,} in {right_name}"
    return None
