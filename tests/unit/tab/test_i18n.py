"""Translations: complete in both languages, and in step with API codes, alert rules, metrics and KPIs."""

import re
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from shopnow import kpis
from shopnow.alerts import metrics, rules
from shopnow.events import TOPICS, Method
from shopnow.traffic.catalogue import CATALOGUE
from shopnow_tab_app import i18n
from shopnow_tab_app.pages import deliveries, orders, payments
from shopnow_tab_app.sources import topic_tail

API_CODES: dict[str, tuple[str, ...]] = {
    "order_status": get_args(orders.Status),
    "payment_status": get_args(payments.Status),
    "payment_method": get_args(Method),
    "delivery_stage": deliveries.STAGES,
    "category": tuple({product.category for product in CATALOGUE}),
    "event": tuple(
        str(event.__struct_config__.tag) for name in topic_tail.TOPICS for event in TOPICS[name].types
    ),
}
"""Codes that the pages translate, by scope."""

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
PRODUCT = {
    "product_id": "p-009",
    "product_name": "Yoga Mat",
    "quantity": 3,
    "reorder_point": 12,
    "days_of_cover": 1.5,
    "lead_time_days": 3.0,
    "last_event_time": NOW,
    "computed_at": NOW,
}
SALES = {"hour": NOW, "currency": "EUR", "value": 400, "expected": 1000.0, "anomaly": True}
SOURCE_ROWS: dict[str, list[dict[str, Any]]] = {
    "stock_quantity": [PRODUCT],
    "share_of_reorder_point": [PRODUCT],
    "share_of_lead_time": [PRODUCT],
    "share_of_expected": [{**SALES, "figure": figure} for figure in metrics.SALES_DROP_FIGURES],
    "share_of_payments_failed": [
        {"hour": NOW, "currency": "EUR", "payments_failed": 5, "payments_succeeded": 15}
    ],
    "share_of_method_failed": [
        {"date": NOW.date(), "currency": "EUR", "method": "card", "attempts": 20, "failed": 5}
    ],
    "share_of_deliveries_overdue": [
        {"date": NOW.date(), "as_of": NOW, "overdue": 5, "pending": 10, "in_transit": 10}
    ],
    "minutes_landed_unused": [{"topic": "orders", "since": NOW}, {"topic": "stock", "since": None}],
    "minutes_held_back": [
        {"topic": "orders", "records": 28, "since": NOW},
        {"topic": "stock", "records": 0, "since": None},
    ],
    "records_possibly_lost": [{"topic": "orders", "possibly_lost": 59, "committed_at": NOW}],
    "share_of_quarantine_limit": [
        {"topic": "orders", "records": 11, "invalid": 10, "limit": 0.25, "since": NOW, "description": text}
        for text in ("", "producers: shop 10")
    ],
    "missing_rows": [{"date": NOW.date(), "missing_rows": 5}],
    "broken_checks": [{"audited_at": NOW, "ok": True, "check": "orders", "detail": ""}],
}
"""Rows of its source table by metric."""
NAMES = ("Yoga Mat", "card, EUR", "kpi/sales_hourly")
"""Alert subjects that are names, the same in every language."""


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english, french = i18n.texts("en"), i18n.texts("fr")
    assert list(english) == list(french)
    for key, text in english.items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", french[key])), key


def test_french_texts_have_a_space_before_double_punctuation() -> None:
    assert not [text for text in i18n.texts("fr").values() if re.search(r"[^ ][:;?!](\s|$)", text)]


@pytest.mark.parametrize("scope", API_CODES)
def test_every_api_code_is_translated(scope: str) -> None:
    assert {f"{scope}_{code}" for code in API_CODES[scope]} <= i18n.texts("en").keys()


def test_titles_of_rules_and_kpis_are_translated() -> None:
    english = i18n.translator("en")
    for name, rule in rules.load().items():
        assert english.matching_key("alert_title", rule.title) == f"alert_title_{name}"
        assert english.matching_key("alert_todo", rule.todo) == f"alert_todo_{name}"
    for kpi in kpis.KPIS:
        assert english.matching_key("kpi", kpi.title) == kpi.name.replace("/", "_")


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_facts_and_subjects_of_alerts_are_translated(metric: str) -> None:
    french = i18n.translator("fr")
    observations = metrics.METRICS[metric].observe(metric, SOURCE_ROWS[metric], NOW)
    assert observations
    for observation in observations:
        assert french.translated("alert_facts", observation.facts) != observation.facts
        subject = observation.subject_name
        assert french.matching_key("alert_subject", subject) or subject in NAMES


def test_unknown_texts_and_codes_are_shown_unchanged() -> None:
    french = i18n.translator("fr-CA")
    assert french.translated("alert_title", "A custom rule") == "A custom rule"
    assert french.term("payment_method", "gift_card") == "gift card"


def test_unsupported_languages_fall_back_to_english() -> None:
    assert i18n.translator("de")("page_orders") == "Orders"
