"""The sections of a report that tell of sales, orders and stock: which figures, in which order, in which words."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from shopnow import kpis
from shopnow.kpis import Kpi, values
from shopnow.kpis.sales import ORDER_DAYS
from shopnow.reports.charts import Bars, Hours
from shopnow.reports.formatting import card, cell, cells, columns, first, title
from shopnow.reports.model import Section
from shopnow.reports.numbers import Figures, Row

TOP = 10
"""So many products, countries, … are in the report; the CSV files have all."""

_HEADLINES = ("net_revenue_cents", "gmv_cents", "orders", "average_order_cents", "units", "refunds_cents")
_SALES = ("net_revenue_cents", "gmv_cents", "orders", "units")
_DELIVERIES = (
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
    """The headline figures, and revenue by hour, of each currency."""
    for currency in figures.currencies:
        row = first(figures.of(kpis.SALES_DAILY), currency=currency)
        before = first(figures.before[kpis.SALES_DAILY.name], currency=currency) if figures.over else None
        beside = "nothing a week before" if figures.over else "so far"
        cards = [card(kpis.SALES_DAILY, name, row or {}, before, beside, currency) for name in _HEADLINES]
        yield Section(f"Sales in {currency}", cards=cards, charts=_hours(figures, currency))


def trends(figures: Figures) -> Iterator[Section]:
    names = ("this_week", "week_before")
    for currency, rows in _by_currency(figures, kpis.TRENDS):
        as_of = values.text(rows[0]["as_of"])
        yield Section(
            f"Week over week, {currency}",
            [f"The 168 hours to {as_of} UTC beside the 168 before them: windows that are equally complete."],
            columns=columns(kpis.TRENDS, ["figure", *names, "change"]),
            rows=[
                [
                    title(row["figure"]),
                    *(cell(kpis.TRENDS, name, row) for name in names),
                    values.change(row["change"]),
                ]
                for row in sorted(rows, key=lambda row: _place(row["figure"]))
            ],
        )


def categories(figures: Figures) -> Iterator[Section]:
    yield from _split(figures, kpis.SALES_BY_CATEGORY, "category", "Categories")


def countries(figures: Figures) -> Iterator[Section]:
    yield from _split(figures, kpis.SALES_BY_COUNTRY, "country", "Countries")


def products(figures: Figures) -> Iterator[Section]:
    """The top products by revenue, then those by units, of each currency."""
    kpi = kpis.TOP_PRODUCTS
    for currency, rows in _by_currency(figures, kpi):
        for rank, figure, by in (("rank", "gmv_cents", "revenue"), ("units_rank", "units", "units")):
            names = [rank, f"{rank}_change", "product_name", "gmv_cents", "units"]
            top = sorted(rows, key=lambda row: row[rank] or len(rows))[:TOP]
            chart = _bars(
                kpi,
                f"products-by-{by}-{_code(currency)}",
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
                        _climbed(row[f"{rank}_change"]),
                        *(cell(kpi, name, row) for name in names[2:]),
                    ]
                    for row in top
                ],
                note=_more(len(rows) - len(top)),
            )


def funnel(figures: Figures) -> Iterator[Section]:
    steps = ("viewed", "carted", "ordered", "paid", "delivered")
    for row in figures.of(kpis.FUNNEL):
        texts = [f"{row[step]:,} ({_share(row[step], row['viewed'])})" for step in steps]
        until = figures.day + timedelta(days=ORDER_DAYS)
        alt = "Sessions by how far they led: " + ", ".join(
            f"{step} {text}" for step, text in zip(steps, texts, strict=True)
        )
        yield Section(
            "From a view to a delivery",
            [
                f"{row['carts_abandoned']:,} carts were left and {row['checkouts_abandoned']:,} orders not paid. "
                f"Payments and deliveries until {until} still count."
            ],
            cards=[
                card(kpis.FUNNEL, name, row, None, beside)
                for name, beside in (
                    ("conversion", "of sessions were paid"),
                    ("cart_abandonment", "of carts were left"),
                    ("checkout_abandonment", "of orders were not paid"),
                )
            ],
            charts=[Bars("funnel", alt, steps, [row[step] for step in steps], texts, "sessions")],
        )


def payments(figures: Figures) -> Iterator[Section]:
    names = ["method", "attempts", "failure_rate", "recovered", "paid_cents"]
    for currency, rows in _by_currency(figures, kpis.PAYMENTS):
        ordered = sorted(rows, key=lambda row: (-row["paid_cents"], row["method"]))
        tried, failed = sum(row["attempts"] for row in rows), sum(row["failed"] for row in rows)
        yield Section(
            f"Payments, {currency}",
            [f"{failed:,} of {tried:,} attempts failed ({_share(failed, tried)})."],
            columns=columns(kpis.PAYMENTS, names, currency),
            rows=cells(kpis.PAYMENTS, names, ordered),
        )


def deliveries(figures: Figures) -> Iterator[Section]:
    for row in figures.of(kpis.DELIVERIES):
        words = [f"Pending, in transit and overdue as of {values.text(row['as_of'])} UTC."]
        yield Section(
            "Deliveries", words, cards=[card(kpis.DELIVERIES, name, row, None) for name in _DELIVERIES]
        )


def customers(figures: Figures) -> Iterator[Section]:
    for row in figures.of(kpis.CUSTOMERS):
        names = ("customers", "new", "returning", "repeat_rate")
        yield Section("Customers", cards=[card(kpis.CUSTOMERS, name, row, None) for name in names])


def cohorts(figures: Figures) -> Iterator[Section]:
    if rows := sorted(figures.of(kpis.COHORTS), key=lambda row: row["cohort"], reverse=True)[:TOP]:
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
    if rows := sorted(figures.of(kpi), key=lambda row: (-(row["lost_cents"] or 0), row["product_id"])):
        lost: Counter[str] = Counter()
        for row in rows:
            if row["currency"]:
                lost[row["currency"]] += row["lost_cents"] or 0
        amounts = " and ".join(
            values.text(cents, "cents", currency) for currency, cents in sorted(lost.items())
        )
        names = ["product_name", "started_at", "duration_seconds", "lost_units", "lost_cents"]
        yield Section(
            "Stock-outs",
            [
                f"{_count(len({row['product_id'] for row in rows}), 'product')} could not be sold for a time that touches the day"
                + (f"; sales lost in it, as estimated: {amounts}." if amounts else ".")
            ],
            columns=columns(
                kpi,
                names,
                titles={"product_name": "Product", "started_at": "Since, UTC", "duration_seconds": "Lasted"},
            ),
            rows=[[cell(kpi, name, row, row["currency"]) for name in names] for row in rows[:TOP]],
            note=_more(len(rows) - TOP),
        )


def reorder(figures: Figures) -> Iterator[Section]:
    kpi = kpis.STOCK_COVER
    rows = [row for row in figures.of(kpi) if row["below_reorder_point"]]
    if figures.of(kpi):
        as_of = max((row["as_of"] for row in figures.of(kpi) if row["as_of"]), default=figures.day)
        rows.sort(key=lambda row: (row["days_of_cover"] is None, row["days_of_cover"], row["product_id"]))
        names = ["product_name", "quantity", "reorder_point", "days_of_cover"]
        say = (
            f"{_count(len(rows), 'product')} at or below the reorder point"
            if rows
            else "No product is below its reorder point"
        )
        yield Section(
            "To reorder",
            [f"{say}, as of {as_of}."],
            columns=columns(kpi, names, titles={"product_name": "Product", "quantity": "On hand"})
            if rows
            else (),
            rows=cells(kpi, names, rows[:TOP]),
            note=_more(len(rows) - TOP),
        )


def anomalies(figures: Figures) -> Iterator[Section]:
    kpi = kpis.ANOMALIES
    if figures.of(kpi):
        rows = sorted((row for row in figures.of(kpi) if row["anomaly"]), key=lambda row: -abs(row["score"]))
        names = ["hour", "figure", "value", "expected", "score"]
        yield Section(
            "Hours unlike the usual",
            [] if rows else ["Every hour was as that hour of the week usually is."],
            columns=columns(kpi, names, titles={"hour": "Hour, UTC"}) if rows else (),
            rows=[
                [
                    f"{row['hour']:%H:%M}",
                    title(row["figure"]),
                    *(cell(kpi, name, row, row["currency"]) for name in names[2:]),
                ]
                for row in rows[:TOP]
            ],
            note=_more(len(rows) - TOP),
        )


TOLD: tuple[tuple[Kpi, Callable[[Figures], Iterator[Section]]], ...] = (
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
"""The table each is about, in the order of the report."""


def _hours(figures: Figures, currency: str) -> list[Hours]:
    def by_hour(rows: Sequence[Row]) -> list[float]:
        found = {
            row["hour"].hour: row["net_revenue_cents"] / 100 for row in rows if row["currency"] == currency
        }
        return [found.get(hour, 0.0) for hour in range(24)]

    if not (hours := figures.of(kpis.SALES_HOURLY)):
        return []
    now, then = by_hour(hours), by_hour(figures.before[kpis.SALES_HOURLY.name])
    best = max(range(24), key=now.__getitem__)
    alt = f"Net revenue in {currency} by hour: most at {best:02}:00 UTC, {now[best]:,.2f}; {sum(now):,.2f} in all"
    return [
        Hours(f"hours-{_code(currency)}", alt, f"net revenue, {currency}", now, then if any(then) else None)
    ]


def _split(figures: Figures, kpi: Kpi, by: str, heading: str) -> Iterator[Section]:
    """Sales of each currency by something, the most net revenue first."""
    for currency, rows in _by_currency(figures, kpi):
        ordered = sorted(rows, key=lambda row: (-row["net_revenue_cents"], row[by]))
        chart = _bars(
            kpi,
            f"{by}-{_code(currency)}",
            f"{heading} by net revenue",
            ordered[:TOP],
            by,
            "net_revenue_cents",
            currency,
        )
        yield Section(
            f"{heading}, {currency}",
            charts=[chart],
            columns=columns(kpi, [by, *_SALES], currency),
            rows=cells(kpi, [by, *_SALES], ordered[:TOP]),
            note=_more(len(ordered) - TOP),
        )


def _bars(
    kpi: Kpi, name: str, what: str, rows: Sequence[Row], label: str, figure: str, currency: str
) -> Bars:
    money = values.unit_of(kpi.schema.field(figure)) == "cents"
    texts = [cell(kpi, figure, row) for row in rows]
    names = [values.text(row[label], none="?") for row in rows]
    alt = f"{what}: " + ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    axis = f"{values.title(figure)}, {currency}" if money else values.title(figure)
    return Bars(name, alt, names, [row[figure] / (100 if money else 1) for row in rows], texts, axis)


def _by_currency(figures: Figures, kpi: Kpi) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each currency, that with the most orders first: what is in one is never added to another."""
    found: dict[str, list[Row]] = {currency: [] for currency in figures.currencies}
    for row in figures.of(kpi):
        found.setdefault(row["currency"], []).append(row)
    return ((currency, rows) for currency, rows in found.items() if rows)


def _place(figure: str) -> int:
    return _HEADLINES.index(figure) if figure in _HEADLINES else len(_HEADLINES)


def _code(currency: str) -> str:
    """A currency for the name of a file; as an event may have any three characters there, others than letters by their numbers."""
    return currency if currency.isascii() and currency.isalnum() else currency.encode().hex()


def _climbed(places: int | None) -> str:
    if places is None:
        return "new"
    return f"▲ {places}" if places > 0 else f"▼ {-places}" if places else "="


def _share(part: int, whole: int) -> str:
    return values.text(part / whole, "share") if whole else "–"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _more(number: int) -> str:
    return f"… and {number:,} more in the CSV file." if number > 0 else ""
