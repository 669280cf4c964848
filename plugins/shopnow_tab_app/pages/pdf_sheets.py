"""PDF sheets of the pages: their figures, charts and tables as text in the reader's language."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from shopnow_tab_app.i18n import Translator
from shopnow_tab_app.pages import alerts
from shopnow_tab_app.pages.charts import Chart
from shopnow_tab_app.pages.dashboard import SHOWN_AT_RISK, SHOWN_PRODUCTS, Dashboard
from shopnow_tab_app.pages.deliveries import SHOWN as SHOWN_DELIVERIES
from shopnow_tab_app.pages.deliveries import Deliveries
from shopnow_tab_app.pages.order import SHOWN as SHOWN_STEPS
from shopnow_tab_app.pages.order import OrderPage
from shopnow_tab_app.pages.orders import SHOWN as SHOWN_ORDERS
from shopnow_tab_app.pages.orders import Orders
from shopnow_tab_app.pages.payments import SHOWN as SHOWN_PAYMENTS
from shopnow_tab_app.pages.payments import Payments
from shopnow_tab_app.pages.pipeline import Pipeline
from shopnow_tab_app.pages.product import SHOWN as SHOWN_STOCK_OUTS
from shopnow_tab_app.pages.product import ProductPage
from shopnow_tab_app.pages.run import SHOWN_BATCHES, SHOWN_COMPUTED, RunPage
from shopnow_tab_app.pages.stock import SHOWN_SHELVES, Stock
from shopnow_tab_app.pages.text_tables import NO_VALUE, TextTable, format_value, text_rows

Sheet = dict[str, Any]
"""`title`, `subtitle`, `cards` (pairs of texts), `charts` ({"title", "kind", "labels", "label_codes",
"series": [{"name", "code", "values"}]}) and `tables` ({"title", "columns", "rows", "note"} of texts)."""


def sheet(page: str, data: Any, t: Translator, content: Callable[[Any, Translator], Sheet]) -> Sheet:
    """Return the sheet of a page with its title.

    Args:
        page: name of the page.
        data: response of the page's API route.
        t: translator of the reader's language.
        content: function of this module that fills the sheet.
    """
    defaults: Sheet = {
        "title": f"ShopNow+ · {t(f'page_{page}')}",
        "subtitle": "",
        "cards": [],
        "charts": [],
        "tables": [],
    }
    filled = {**defaults, **content(data, t)}
    at = f"{t.time(datetime.fromisoformat(data.as_of))} UTC" if data.as_of else NO_VALUE
    return {**filled, "subtitle": " · ".join(filter(None, [filled["subtitle"], at]))}


def dashboard(page: Dashboard, t: Translator) -> Sheet:
    completeness = t("complete") if page.completeness.complete else t("incomplete")
    return {
        "subtitle": f"{_days(page.period, t)} · {completeness}",
        "cards": [
            (
                t.term("card", card.name) + (f" ({t('provisional')})" if card.provisional else ""),
                t.money(card.value, page.currency)
                if card.unit == "cents" and card.value is not None
                else format_value(card.value, t),
            )
            for card in page.cards
        ],
        "charts": [
            _chart(t, "revenue", "line", page.charts["revenue"]),
            _chart(t, "page_orders", "line", page.charts["orders"]),
            _chart(t, "payments_per_day", "bars", page.charts["payments"]),
            _chart(t, "conversion_funnel", "bars", page.charts["funnel"]),
        ],
        "tables": [
            _table(t, SHOWN_PRODUCTS, page.top_products, currency=page.currency),
            _table(t, SHOWN_AT_RISK, page.at_risk),
        ],
    }


def orders(page: Orders, t: Translator) -> Sheet:
    return {
        "cards": [
            (t.term("order_status", status), t.number(count)) for status, count in page.statuses.items()
        ],
        "tables": [_table(t, SHOWN_ORDERS, page.rows, page.total)],
    }


def payments(page: Payments, t: Translator) -> Sheet:
    return {
        "subtitle": _days(page.period, t),
        "charts": [
            _chart(t, "payment_outcomes", "bars", page.charts["outcome"]),
            _chart(t, "payments_by_method", "bars", page.charts["methods"]),
        ],
        "tables": [_table(t, SHOWN_PAYMENTS, page.rows, page.total)],
    }


def deliveries(page: Deliveries, t: Translator) -> Sheet:
    return {
        "subtitle": _days(page.period, t),
        "cards": [
            *((t.term("delivery_stage", stage), t.number(count)) for stage, count in page.stages.items()),
            (t("overdue"), t.number(page.overdue)),
        ],
        "charts": [_chart(t, "deliveries_per_day", "bars", page.charts["timeline"])],
        "tables": [_table(t, SHOWN_DELIVERIES, page.rows, page.total)],
    }


def order(page: OrderPage, t: Translator) -> Sheet:
    placed = page.order
    cards = (
        [
            (t("field_customer_name"), placed.customer_name),
            (t("field_product"), placed.product),
            (t("field_amount"), t.money(placed.total_cents, placed.currency)),
            (t("field_status"), t.term("order_status", placed.status)),
        ]
        if placed
        else []
    )
    return {
        "subtitle": placed.order_id if placed else t("no_data"),
        "cards": cards,
        "tables": [_table(t, SHOWN_STEPS, page.steps)],
    }


def product(page: ProductPage, t: Translator) -> Sheet:
    shelf = page.shelf
    return {
        "subtitle": f"{shelf.product_name if shelf else t('no_data')} · {_days(page.period, t)}",
        "cards": [
            (t("field_quantity"), format_value(shelf and shelf.quantity, t)),
            (t("field_units"), t.number(page.units)),
            (t("field_gmv"), t.money(page.gmv_cents, page.currency)),
        ],
        "charts": [_chart(t, name, "line", page.charts[name]) for name in page.charts],
        "tables": [_table(t, SHOWN_STOCK_OUTS, page.stock_outs)],
    }


def stock(page: Stock, t: Translator) -> Sheet:
    return {
        "cards": [(t("alerts"), t.number(len(page.alerts)))],
        "tables": [
            _table(t, alerts.SHOWN, page.alerts),
            _table(t, TextTable("silences", ("target", "until", "by", "reason")), page.silences),
            _table(t, SHOWN_SHELVES, page.shelves),
        ],
    }


def pipeline(page: Pipeline, t: Translator) -> Sheet:
    def table(title: str, rows: Sequence[Any], *columns: str) -> dict[str, Any]:
        return _table(t, TextTable(title, columns), rows)

    return {
        "tables": [
            table(
                "topics_and_lag",
                page.topics,
                *("topic", "records", "lag", "held_back", "raw", "quarantined", "events"),
            ),
            table(
                "batches_and_receipts",
                page.batches,
                *("committed_at", "topic", "version", "rows", "quarantined"),
            ),
            table("quarantine", page.quarantine, "reason", "topic", "records"),
            table("data_loss", page.losses, "topic", "partition", "missing_rows", "reason"),
            table("dags", page.dags, "dag_id", "description"),
        ]
    }


def run(page: RunPage, t: Translator) -> Sheet:
    return {
        "subtitle": f"{page.run.dag_id} · {page.run.run_id}" if page.run else t("no_data"),
        "tables": [
            _table(t, SHOWN_BATCHES, page.batches),
            _table(t, SHOWN_COMPUTED, page.computed),
        ],
    }


def _days(period: tuple[str, str], t: Translator) -> str:
    return " – ".join(t.day(date.fromisoformat(day)) for day in period)


def _chart(t: Translator, title: str, kind: str, chart: Chart) -> dict[str, Any]:
    def label(text: str) -> str:
        if text.isidentifier():
            return t.term("chart", text)
        return t.time(datetime.fromisoformat(text)) if "T" in text else t.day(date.fromisoformat(text))

    return {
        "title": t(title),
        "kind": kind,
        "labels": [label(text) for text in chart.labels],
        # The colors of labels and series follow from their codes.
        "label_codes": chart.labels,
        "series": [
            {
                "name": t.term("chart", series.name),
                "code": series.name,
                "values": [
                    value / 100 if series.unit == "cents" and value is not None else value
                    for value in series.values
                ],
            }
            for series in chart.series
        ],
    }


def _table(
    t: Translator,
    table: TextTable,
    rows: Sequence[Any],
    total: int | None = None,
    currency: str | None = None,
) -> dict[str, Any]:
    """A table of texts.

    Args:
        t: translator of the reader's language.
        table: its title and columns.
        rows: rows of the API.
        total: number of rows that there are, if these may be only the first of them.
        currency: that of the amounts if the rows have none.
    """
    is_cut = total is not None and total > len(rows)
    return {
        "title": t(table.title),
        "columns": table.headings(t),
        "rows": text_rows(table, rows, t, currency),
        "note": t("pdf_rows_cut").format(shown=t.number(len(rows)), total=t.number(total or 0))
        if is_cut
        else "",
    }
