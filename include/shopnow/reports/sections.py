"""The sections of a report about sales, orders and stock."""

from collections import Counter
from collections.abc import Callable, Iterator

from shopnow import kpis
from shopnow.dates import add_days_clamped
from shopnow.kpis import Kpi, values
from shopnow.kpis.sales import ORDER_DAYS
from shopnow.reports.charts import Bars
from shopnow.reports.formatting import card, cell, cells, columns, find_row, title
from shopnow.reports.model import Section
from shopnow.reports.numbers import Figures
from shopnow.reports.section_parts import (
    bars,
    by_currency,
    count,
    file_code,
    hourly_revenue,
    more_rows,
    percentage,
    rank_change,
)

MAX_ROWS = 10
"""Maximum number of rows of a table in the report; the CSV files have all."""

_HEADLINES = ("net_revenue_cents", "gmv_cents", "orders", "average_order_cents", "units", "refunds_cents")
_SALES_COLUMNS = ("net_revenue_cents", "gmv_cents", "orders", "units")
_DELIVERY_FIGURES = (
    "created",
    "shipped",
    "delivered",
    "on_time_rate",
    "days_to_deliver",
    "pending",
    "in_transit",
    "overdue",
)


def sales(figures: Figures) -> Iterator[Section]:
    """Yield the headline figures and hourly revenue of each currency."""
    for currency in figures.currencies:
        row = find_row(figures.rows_of(kpis.SALES_DAILY), currency=currency)
        previous, comparison = None, "so far"
        if figures.is_day_over:
            previous = find_row(figures.previous[kpis.SALES_DAILY.name], currency=currency)
            comparison = "no data a week earlier"
        cards = [
            card(kpis.SALES_DAILY, name, row or {}, previous, comparison, currency) for name in _HEADLINES
        ]
        yield Section(f"Sales in {currency}", cards=cards, charts=hourly_revenue(figures, currency))


def trends(figures: Figures) -> Iterator[Section]:
    names = ("this_week", "week_before")
    for currency, rows in by_currency(figures, kpis.TRENDS):
        as_of = values.format_value(rows[0]["as_of"])
        yield Section(
            f"Week over week, {currency}",
            [f"The 168 hours to {as_of} UTC and the 168 before: windows that are equally complete."],
            columns=columns(kpis.TRENDS, ["figure", *names, "change"]),
            rows=[
                [
                    title(row["figure"]),
                    *(cell(kpis.TRENDS, name, row) for name in names),
                    values.format_change(row["change"]),
                ]
                for row in sorted(rows, key=lambda row: _position(row["figure"]))
            ],
        )


def categories(figures: Figures) -> Iterator[Section]:
    yield from _breakdown(figures, kpis.SALES_BY_CATEGORY, "category", "Categories")


def countries(figures: Figures) -> Iterator[Section]:
    yield from _breakdown(figures, kpis.SALES_BY_COUNTRY, "country", "Countries")


def products(figures: Figures) -> Iterator[Section]:
    """Yield the top products by revenue, then by units, of each currency."""
    kpi = kpis.TOP_PRODUCTS
    for currency, rows in by_currency(figures, kpi):
        for rank, figure, by in (("rank", "gmv_cents", "revenue"), ("units_rank", "units", "units")):
            names = [rank, f"{rank}_change", "product_name", "gmv_cents", "units"]
            top = sorted(rows, key=lambda row: row[rank] or len(rows))[:MAX_ROWS]
            chart = bars(
                kpi,
                f"products-by-{by}-{file_code(currency)}",
                f"Top products by {by}",
                top,
                "product_name",
                figure,
                currency,
            )
            yield Section(
                f"Top products by {by}, {currency}",
                charts=[chart] if rank == "rank" else [],
                columns=columns(
                    kpi, names, currency, {rank: "#", f"{rank}_change": "Change", "product_name": "Product"}
                ),
                rows=[
                    [
                        cell(kpi, rank, row),
                        rank_change(row[f"{rank}_change"]),
                        *(cell(kpi, name, row) for name in names[2:]),
                    ]
                    for row in top
                ],
                note=more_rows(len(rows) - len(top)),
            )


def funnel(figures: Figures) -> Iterator[Section]:
    steps = ("viewed", "carted", "ordered", "paid", "delivered")
    for row in figures.rows_of(kpis.FUNNEL):
        texts = [f"{row[step]:,} ({percentage(row[step], row['viewed'])})" for step in steps]
        until = add_days_clamped(figures.day, ORDER_DAYS)
        alt = "Sessions by funnel step: " + ", ".join(
            f"{step} {text}" for step, text in zip(steps, texts, strict=True)
        )
        yield Section(
            "Conversion funnel",
            [
                f"{row['carts_abandoned']:,} carts were abandoned and "
                f"{row['checkouts_abandoned']:,} orders were not paid. "
                f"Payments and deliveries until {until} still count."
            ],
            cards=[
                card(kpis.FUNNEL, name, row, None, explanation)
                for name, explanation in (
                    ("conversion", "of sessions led to a payment"),
                    ("cart_abandonment", "of carts were abandoned"),
                    ("checkout_abandonment", "of orders were not paid"),
                )
            ],
            charts=[Bars("funnel", alt, steps, [row[step] for step in steps], texts, "sessions")],
        )


def payments(figures: Figures) -> Iterator[Section]:
    names = ["method", "attempts", "failure_rate", "recovered", "paid_cents"]
    for currency, rows in by_currency(figures, kpis.PAYMENTS):
        ordered = sorted(rows, key=lambda row: (-row["paid_cents"], row["method"]))
        attempts, failed = sum(row["attempts"] for row in rows), sum(row["failed"] for row in rows)
        yield Section(
            f"Payments, {currency}",
            [f"{failed:,} of {attempts:,} attempts failed ({percentage(failed, attempts)})."],
            columns=columns(kpis.PAYMENTS, names, currency),
            rows=cells(kpis.PAYMENTS, names, ordered),
        )


def deliveries(figures: Figures) -> Iterator[Section]:
    for row in figures.rows_of(kpis.DELIVERIES):
        paragraphs = [f"Pending, in transit and overdue as of {values.format_value(row['as_of'])} UTC."]
        yield Section(
            "Deliveries",
            paragraphs,
            cards=[card(kpis.DELIVERIES, name, row, None) for name in _DELIVERY_FIGURES],
        )


def customers(figures: Figures) -> Iterator[Section]:
    for row in figures.rows_of(kpis.CUSTOMERS):
        names = ("customers", "new", "returning", "repeat_rate")
        yield Section("Customers", cards=[card(kpis.CUSTOMERS, name, row, None) for name in names])


def cohorts(figures: Figures) -> Iterator[Section]:
    if rows := sorted(figures.rows_of(kpis.COHORTS), key=lambda row: row["cohort"], reverse=True)[:MAX_ROWS]:
        names = ["cohort", "cohort_size", "customers", "retention"]
        yield Section(
            "Cohorts",
            [f"Customers by the month of their first order, and how many ordered in {figures.day:%B %Y}."],
            columns=columns(kpis.COHORTS, names, titles={"cohort": "First order in", "customers": "Ordered"}),
            rows=[
                [f"{row['cohort']:%B %Y}", *(cell(kpis.COHORTS, name, row) for name in names[1:])]
                for row in rows
            ],
        )


def stock_outs(figures: Figures) -> Iterator[Section]:
    kpi = kpis.STOCK_OUTS
    if rows := sorted(figures.rows_of(kpi), key=lambda row: (-(row["lost_cents"] or 0), row["product_id"])):
        lost: Counter[str] = Counter()
        for row in rows:
            if row["currency"]:
                lost[row["currency"]] += row["lost_cents"] or 0
        amounts = " and ".join(
            values.format_value(cents, "cents", currency) for currency, cents in sorted(lost.items())
        )
        out_of_stock = count(len({row["product_id"] for row in rows}), "product")
        names = ["product_name", "started_at", "duration_seconds", "lost_units", "lost_cents"]
        yield Section(
            "Stock-outs",
            [
                f"{out_of_stock} out of stock at some time of the day"
                + (f"; estimated lost sales: {amounts}." if amounts else ".")
            ],
            columns=columns(
                kpi,
                names,
                titles={"product_name": "Product", "started_at": "Since, UTC", "duration_seconds": "Lasted"},
            ),
            rows=[[cell(kpi, name, row, row["currency"]) for name in names] for row in rows[:MAX_ROWS]],
            note=more_rows(len(rows) - MAX_ROWS),
        )


def reorder(figures: Figures) -> Iterator[Section]:
    kpi = kpis.STOCK_COVER
    rows = [row for row in figures.rows_of(kpi) if row["below_reorder_point"]]
    if figures.rows_of(kpi):
        as_of = max((row["as_of"] for row in figures.rows_of(kpi) if row["as_of"]), default=figures.day)
        rows.sort(key=lambda row: (row["days_of_cover"] is None, row["days_of_cover"], row["product_id"]))
        names = ["product_name", "quantity", "reorder_point", "days_of_cover"]
        summary = (
            f"{count(len(rows), 'product')} at or below the reorder point"
            if rows
            else "No product is at or below its reorder point"
        )
        yield Section(
            "To reorder",
            [f"{summary}, as of {as_of}."],
            columns=columns(kpi, names, titles={"product_name": "Product", "quantity": "On hand"})
            if rows
            else (),
            rows=cells(kpi, names, rows[:MAX_ROWS]),
            note=more_rows(len(rows) - MAX_ROWS),
        )


def anomalies(figures: Figures) -> Iterator[Section]:
    kpi = kpis.ANOMALIES
    if figures.rows_of(kpi):
        rows = sorted(
            (row for row in figures.rows_of(kpi) if row["anomaly"]), key=lambda row: -abs(row["score"])
        )
        names = ["hour", "figure", "value", "expected", "score"]
        yield Section(
            "Anomalous hours",
            [] if rows else ["No anomalies: every hour was within the usual range of its hour of the week."],
            columns=columns(kpi, names, titles={"hour": "Hour, UTC"}) if rows else (),
            rows=[
                [
                    f"{row['hour']:%H:%M}",
                    title(row["figure"]),
                    *(cell(kpi, name, row, row["currency"]) for name in names[2:]),
                ]
                for row in rows[:MAX_ROWS]
            ],
            note=more_rows(len(rows) - MAX_ROWS),
        )


SECTIONS: tuple[tuple[Kpi, Callable[[Figures], Iterator[Section]]], ...] = (
    (kpis.SALES_DAILY, sales),
    (kpis.TRENDS, trends),
    (kpis.SALES_BY_CATEGORY, categories),
    (kpis.SALES_BY_COUNTRY, countries),
    (kpis.TOP_PRODUCTS, products),
    (kpis.FUNNEL, funnel),
    (kpis.PAYMENTS, payments),
    (kpis.DELIVERIES, deliveries),
    (kpis.CUSTOMERS, customers),
    (kpis.COHORTS, cohorts),
    (kpis.STOCK_OUTS, stock_outs),
    (kpis.STOCK_COVER, reorder),
    (kpis.ANOMALIES, anomalies),
)
"""The table and function of each section, in the order of the report."""


def _breakdown(figures: Figures, kpi: Kpi, by: str, heading: str) -> Iterator[Section]:
    """Yield the sales of each currency broken down by a column, highest net revenue first."""
    for currency, rows in by_currency(figures, kpi):
        ordered = sorted(rows, key=lambda row: (-row["net_revenue_cents"], row[by]))
        chart = bars(
            kpi,
            f"{by}-{file_code(currency)}",
            f"{heading} by net revenue",
            ordered[:MAX_ROWS],
            by,
            "net_revenue_cents",
            currency,
        )
        yield Section(
            f"{heading}, {currency}",
            charts=[chart],
            columns=columns(kpi, [by, *_SALES_COLUMNS], currency),
            rows=cells(kpi, [by, *_SALES_COLUMNS], ordered[:MAX_ROWS]),
            note=more_rows(len(ordered) - MAX_ROWS),
        )


def _position(figure: str) -> int:
    return _HEADLINES.index(figure) if figure in _HEADLINES else len(_HEADLINES)
