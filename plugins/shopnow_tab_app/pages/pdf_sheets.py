"""A page as a sheet for paper: the figures, charts and tables it shows, in words of the language it is read in."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from shopnow_tab_app.pages.charts import Chart
from shopnow_tab_app.pages.dashboard import Dashboard
from shopnow_tab_app.pages.deliveries import Deliveries
from shopnow_tab_app.pages.orders import Orders
from shopnow_tab_app.pages.payments import Payments
from shopnow_tab_app.pages.pipeline import Pipeline
from shopnow_tab_app.pages.stock import Stock

Sheet = dict[str, Any]
"""`title`, `subtitle`, `cards` (pairs of texts), `charts` ({"title", "kind", "labels", "series": {name: values}}) and `tables`
({"title", "columns", "rows"} of texts)."""

Words = Callable[[str], str]


@cache
def _words(language: str) -> dict[str, str]:
    return json.loads(
        (Path(__file__).parent / "ui" / "src" / "words" / f"{language}.json").read_text(encoding="utf-8")
    )


def words(language: str) -> Words:
    """What gives a word in French, or else in English."""
    known = _words("fr" if language.startswith("fr") else "en")
    return lambda word: known.get(word, word.replace("_", " "))


def sheet(page: str, answer: Any, t: Words) -> Sheet:
    """The sheet of a page from what its route answers."""
    made: dict[str, Callable[[Any, Words], Sheet]] = {
        "dashboard": _dashboard,
        "orders": _orders,
        "payments": _payments,
        "deliveries": _deliveries,
        "stock": _stock,
        "pipeline": _pipeline,
    }
    blank: Sheet = {
        "title": f"ShopNow+ · {t(f'page_{page}')}",
        "subtitle": f"{_text(answer.as_of)} UTC",
        "cards": [],
        "charts": [],
        "tables": [],
    }
    return {**blank, **made[page](answer, t)}


def _dashboard(page: Dashboard, t: Words) -> Sheet:
    computed = f" · {_text(page.freshness.computed_at)} UTC" if page.freshness.computed_at else ""
    return {
        "subtitle": f"{page.period[0]} – {page.period[1]}{computed} · {t('complete') if page.completeness.complete else t('incomplete')}",
        "cards": [
            (
                t(f"card_{card.name}"),
                _money(card.value, page.currency) if card.unit == "cents" else _text(card.value),
            )
            for card in page.cards
        ],
        "charts": [
            _chart(t("orders"), "line", page.charts["orders"], t, ["orders"]),
            _chart(t("payments_chart"), "bars", page.charts["payments"], t),
            _chart(t("funnel"), "bars", page.charts["funnel"], t),
        ],
        "tables": [
            _table(t, "top_products", ("product_name", "category", "units"), page.top_products),
            _table(t, "at_risk", ("product_name", "quantity", "days_of_cover"), page.at_risk),
        ],
    }


def _orders(page: Orders, t: Words) -> Sheet:
    return {
        "cards": [(t(status), _text(count)) for status, count in page.statuses.items()],
        "tables": [
            _table(
                t,
                "page_orders",
                ("order_id", "customer_name", "product", "amount", "date", "status"),
                page.rows,
                amount="total_cents",
            )
        ],
    }


def _payments(page: Payments, t: Words) -> Sheet:
    return {
        "charts": [
            _chart(t("outcome"), "bars", page.charts["outcome"], t),
            _chart(t("methods"), "bars", page.charts["methods"], t),
        ],
        "tables": [
            _table(
                t,
                "page_payments",
                ("payment_id", "order_id", "method", "amount", "date", "status"),
                page.rows,
                amount="amount_cents",
            )
        ],
    }


def _deliveries(page: Deliveries, t: Words) -> Sheet:
    return {
        "cards": [
            *((t(stage), _text(count)) for stage, count in page.stages.items()),
            (t("overdue"), _text(page.overdue)),
        ],
        "charts": [_chart(t("timeline"), "bars", page.charts["timeline"], t)],
        "tables": [
            _table(
                t,
                "page_deliveries",
                ("delivery_id", "address", "stage", "promised_at", "progress"),
                page.rows,
            )
        ],
    }


def _stock(page: Stock, t: Words) -> Sheet:
    return {
        "cards": [(t("alerts"), _text(len(page.alerts)))],
        "tables": [
            _table(t, "alerts", ("severity", "title", "subject_name", "facts", "state"), page.alerts),
            _table(t, "silences", ("target", "until", "by", "reason"), page.silences),
            _table(
                t,
                "stock",
                ("product_name", "quantity", "days_of_cover", "reorder_point", "demand_per_day"),
                page.shelves,
            ),
        ],
    }


def _pipeline(page: Pipeline, t: Words) -> Sheet:
    return {
        "tables": [
            _table(t, "topics", ("topic", "records", "lag", "raw", "quarantined", "events"), page.topics),
            _table(t, "batches", ("committed_at", "topic", "version", "rows", "quarantined"), page.batches),
            _table(t, "quarantine", ("reason", "topic", "records"), page.quarantine),
            _table(t, "losses", ("topic", "partition", "missing_rows", "reason"), page.losses),
            _table(t, "dags", ("dag_id", "description"), page.dags),
        ]
    }


def _chart(title: str, kind: str, chart: Chart, t: Words, only: Sequence[str] = ()) -> dict[str, Any]:
    shown = [each for each in chart.series if not only or each.name in only]
    return {
        "title": title,
        "kind": kind,
        "labels": [
            t(label) if label.isidentifier() else label.replace("T", " ").removesuffix("+00:00")
            for label in chart.labels
        ],
        "series": {t(each.name): each.values for each in shown},
    }


def _table(
    t: Words, title: str, columns: Sequence[str], rows: Sequence[Any], amount: str = ""
) -> dict[str, Any]:
    def cell(row: Any, column: str) -> str:
        if column == "amount":
            return _money(getattr(row, amount), row.currency)
        value = getattr(row, "event_time" if column == "date" else column)
        return t(value) if column in {"status", "stage", "state", "severity", "method"} else _text(value)

    return {
        "title": t(title),
        "columns": [t(column) for column in columns],
        "rows": [[cell(row, column) for column in columns] for row in rows],
    }


def _money(cents: int | None, currency: str | None) -> str:
    return "–" if cents is None else f"{cents / 100:,.2f} {currency or ''}".strip()


def _text(value: Any) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case float():
            return f"{value:,.1f}"
        case int():
            return f"{value:,}"
    return str(value)
