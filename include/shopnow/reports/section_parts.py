"""Parts that several sections of a report share: charts, rows by currency, and formatted counts."""

from collections.abc import Iterator, Sequence

from shopnow import kpis
from shopnow.kpis import Kpi, values
from shopnow.reports.charts import Bars, Hours
from shopnow.reports.formatting import cell
from shopnow.reports.numbers import Figures, Row


def hourly_revenue(figures: Figures, currency: str) -> list[Hours]:
    """Return the chart of net revenue by hour; none if the day has no hourly sales."""

    def by_hour(rows: Sequence[Row]) -> list[float]:
        revenue = {
            row["hour"].hour: row["net_revenue_cents"] / 100 for row in rows if row["currency"] == currency
        }
        return [revenue.get(hour, 0.0) for hour in range(24)]

    if not (hours := figures.rows_of(kpis.SALES_HOURLY)):
        return []
    revenue, previous = by_hour(hours), by_hour(figures.previous[kpis.SALES_HOURLY.name])
    best = max(range(24), key=revenue.__getitem__)
    peak = f"most at {best:02}:00 UTC, {revenue[best]:,.2f}"
    alt = f"Net revenue in {currency} by hour: {peak}; {sum(revenue):,.2f} in total"
    return [
        Hours(
            f"hours-{file_code(currency)}",
            alt,
            f"net revenue, {currency}",
            revenue,
            previous if any(previous) else None,
        )
    ]


def bars(
    kpi: Kpi, name: str, description: str, rows: Sequence[Row], label: str, figure: str, currency: str
) -> Bars:
    """Return the bar chart of a figure by a label column."""
    is_money = values.unit_of(kpi.schema.field(figure)) == "cents"
    texts = [cell(kpi, figure, row) for row in rows]
    names = [values.format_value(row[label], none="?") for row in rows]
    alt = f"{description}: " + ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    axis = f"{values.heading(figure)}, {currency}" if is_money else values.heading(figure)
    return Bars(name, alt, names, [row[figure] / (100 if is_money else 1) for row in rows], texts, axis)


def by_currency(figures: Figures, kpi: Kpi) -> Iterator[tuple[str, list[Row]]]:
    """Return the rows of each currency, the one with the most orders first; currencies are never added up."""
    groups: dict[str, list[Row]] = {currency: [] for currency in figures.currencies}
    for row in figures.rows_of(kpi):
        groups.setdefault(row["currency"], []).append(row)
    return ((currency, rows) for currency, rows in groups.items() if rows)


def file_code(currency: str) -> str:
    """Return a currency for a file name, as hex unless it is ASCII letters and digits."""
    return currency if currency.isascii() and currency.isalnum() else currency.encode().hex()


def rank_change(ranks: int | None) -> str:
    if ranks is None:
        return "new"
    return f"▲ {ranks}" if ranks > 0 else f"▼ {-ranks}" if ranks else "="


def percentage(part: int, whole: int) -> str:
    return values.format_value(part / whole, "share") if whole else "–"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def more_rows(number: int) -> str:
    return f"… and {number:,} more in the CSV file." if number > 0 else ""
