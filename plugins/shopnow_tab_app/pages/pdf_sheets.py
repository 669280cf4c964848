"""PDF sheets of the pages: their figures, charts and tables as text in the reader's language."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shopnow_tab_app.i18n import Translator
from shopnow_tab_app.pages.charts import Chart
from shopnow_tab_app.pages.dashboard import Dashboard
from shopnow_tab_app.pages.deliveries import Deliveries
from shopnow_tab_app.pages.orders import Orders
from shopnow_tab_app.pages.payments import Payments
from shopnow_tab_app.pages.pipeline import Pipeline
from shopnow_tab_app.pages.stock import Stock

Sheet = dict[str, Any]
"""`title`, `subtitle`, `cards` (pairs of texts), `charts` ({"title", "kind", "labels", "series": {name:
values}}) and `tables` ({"title", "columns", "rows"} of texts)."""

NO_VALUE = "–"
TEXT_SCOPES = {"title": "alert_title", "facts": "alert_facts", "subject_name": "alert_subject"}
"""Translation scope by column that holds English texts."""


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
        "subtitle": f"{_text(datetime.fromisoformat(data.as_of))} UTC" if data.as_of else NO_VALUE,
        "cards": [],
        "charts": [],
        "tables": [],
    }
    return {**defaults, **content(data, t)}


def dashboard(page: Dashboard, t: Translator) -> Sheet:
    computed_at = page.freshness.computed_at
    subtitle = [
        f"{page.period[0]} – {page.period[1]}",
        *([f"{_text(computed_at)} UTC"] if computed_at else []),
        t("complete") if page.completeness.complete else t("incomplete"),
    ]
    return {
        "subtitle": " · ".join(subtitle),
        "cards": [
            (
                t.term("card", card.name),
                _money(card.value, page.currency) if card.unit == "cents" else _text(card.value),
            )
            for card in page.cards
        ],
        "charts": [
            _chart(t, "page_orders", "line", page.charts["orders"], ["orders"]),
            _chart(t, "payments_per_day", "bars", page.charts["payments"]),
            _chart(t, "conversion_funnel", "bars", page.charts["funnel"]),
        ],
        "tables": [
            _table(
                t,
                "top_products",
                ("product_name", "category", "units"),
                page.top_products,
                {"category": "category"},
            ),
            _table(t, "stock_at_risk", ("product_name", "quantity", "days_of_cover"), page.at_risk),
        ],
    }


def orders(page: Orders, t: Translator) -> Sheet:
    return {
        "cards": [(t.term("order_status", status), _text(count)) for status, count in page.statuses.items()],
        "tables": [
            _table(
                t,
                "page_orders",
                ("order_id", "customer_name", "product", "amount", "date", "status"),
                page.rows,
                {"status": "order_status"},
                amount="total_cents",
            )
        ],
    }


def payments(page: Payments, t: Translator) -> Sheet:
    return {
        "charts": [
            _chart(t, "payment_outcomes", "bars", page.charts["outcome"]),
            _chart(t, "payments_by_method", "bars", page.charts["methods"]),
        ],
        "tables": [
            _table(
                t,
                "page_payments",
                ("payment_id", "order_id", "method", "amount", "date", "status"),
                page.rows,
                {"method": "payment_method", "status": "payment_status"},
                amount="amount_cents",
            )
        ],
    }


def deliveries(page: Deliveries, t: Translator) -> Sheet:
    return {
        "cards": [
            *((t.term("delivery_stage", stage), _text(count)) for stage, count in page.stages.items()),
            (t("overdue"), _text(page.overdue)),
        ],
        "charts": [_chart(t, "deliveries_per_day", "bars", page.charts["timeline"])],
        "tables": [
            _table(
                t,
                "page_deliveries",
                ("delivery_id", "address", "stage", "promised_at", "progress"),
                page.rows,
                {"stage": "delivery_stage"},
            )
        ],
    }


def stock(page: Stock, t: Translator) -> Sheet:
    return {
        "cards": [(t("alerts"), _text(len(page.alerts)))],
        "tables": [
            _table(
                t,
                "alerts",
                ("severity", "title", "subject_name", "facts", "state"),
                page.alerts,
                {"severity": "severity", "state": "alert_state"},
            ),
            _table(t, "silences", ("target", "until", "by", "reason"), page.silences),
            _table(
                t,
                "stock",
                ("product_name", "quantity", "days_of_cover", "reorder_point", "demand_per_day"),
                page.shelves,
            ),
        ],
    }


def pipeline(page: Pipeline, t: Translator) -> Sheet:
    return {
        "tables": [
            _table(
                t,
                "topics_and_lag",
                ("topic", "records", "lag", "held_back", "raw", "quarantined", "events"),
                page.topics,
            ),
            _table(
                t,
                "batches_and_receipts",
                ("committed_at", "topic", "version", "rows", "quarantined"),
                page.batches,
            ),
            _table(t, "quarantine", ("reason", "topic", "records"), page.quarantine),
            _table(t, "data_loss", ("topic", "partition", "missing_rows", "reason"), page.losses),
            _table(t, "dags", ("dag_id", "description"), page.dags),
        ]
    }


def _chart(t: Translator, title: str, kind: str, chart: Chart, only: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "title": t(title),
        "kind": kind,
        "labels": [
            t.term("chart", label) if label.isidentifier() else label.replace("T", " ").removesuffix("+00:00")
            for label in chart.labels
        ],
        "series": {
            t.term("chart", series.name): series.values
            for series in chart.series
            if not only or series.name in only
        },
    }


_NO_SCOPES: Mapping[str, str] = {}


def _table(
    t: Translator,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Any],
    scopes: Mapping[str, str] = _NO_SCOPES,
    amount: str = "",
) -> dict[str, Any]:
    """A table of texts.

    Args:
        t: translator of the reader's language.
        title: key of the title.
        columns: fields of the rows; `amount` and `date` stand for the amount and the event time.
        rows: rows of the API.
        scopes: translation scope by column that holds codes.
        amount: field of the amount, in cents.
    """

    def cell(row: Any, column: str) -> str:
        if column == "amount":
            return _money(getattr(row, amount), row.currency)
        value = getattr(row, "event_time" if column == "date" else column)
        if value is None:
            return NO_VALUE
        if column in TEXT_SCOPES:
            return t.translated(TEXT_SCOPES[column], value)
        return t.term(scopes[column], value) if column in scopes else _text(value)

    return {
        "title": t(title),
        "columns": [t(f"field_{column}") for column in columns],
        "rows": [[cell(row, column) for column in columns] for row in rows],
    }


def _money(cents: int | None, currency: str | None) -> str:
    return NO_VALUE if cents is None else f"{cents / 100:,.2f} {currency or ''}".strip()


def _text(value: Any) -> str:
    match value:
        case None:
            return NO_VALUE
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case float():
            return f"{value:,.1f}"
        case int():
            return f"{value:,}"
    return str(value)
