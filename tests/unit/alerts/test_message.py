"""Rendering of messages, safe against hostile product names."""

from html.parser import HTMLParser

import msgspec

from factories.alert_factory import alert
from shopnow.alerts.message import MAX_SHOWN, Background, compose, html, slack, subject, text
from shopnow.alerts.model import Alert, State
from shopnow.alerts.restock_advice import Advice
from shopnow.local_stack.webhook_server import parse_message

LINK = "http://airflow.example/plugin/shopnow#/stock"


def message(*alerts: Alert, advice: dict[str, Advice] | None = None):
    return compose("key-1", alerts or [alert()], Background(LINK, advice=advice or {}))


HOSTILE = "Mug</td><script>alert(1)</script> & <!channel> <http://x.example|y>\r\nBcc: all@example.org\x1b[2J"


def test_every_format_has_facts_time_todo_owner_and_link():
    for body in (text(message()), html(message()), str(slack(message()))):
        for fact in (
            "Sold out",
            "Mug",
            "0 left",
            "2026-07-01 12:30:00 UTC",
            "Reorder it.",
            "For purchasing; alert stock_out:P1",
            "key-1",
            LINK,
        ):
            assert fact in body


def test_a_warning_about_the_data_is_shown():
    warned = compose("key-1", [alert()], Background(LINK, "raw <= receipts\nno"))
    assert "In doubt: raw <= receipts no" in text(warned)
    assert "raw &lt;= receipts no" in html(warned)
    assert "raw &lt;= receipts no" in str(slack(warned))
    assert all("In doubt" not in body for body in (text(message()), html(message()), str(slack(message()))))


def test_the_number_of_waiting_proposals_is_shown_with_products_only():
    restock = compose("key-1", [alert()], Background(LINK), waiting_proposals=1_495)
    for body in (text(restock), html(restock), str(slack(restock))):
        assert "Restock proposals that wait until others are answered: 1,495, most money at risk" in body
    payments = alert("all methods, EUR", about="payments", title="Payments failing")
    other = compose("key-1", [payments], Background(LINK), waiting_proposals=2)
    assert all(
        "Restock" not in body for body in (text(message()), text(other), html(other), str(slack(other)))
    )


def test_the_subject_names_the_only_product_or_counts_them():
    assert subject(message()) == "[ShopNow+] Sold out: Mug"
    assert subject(
        message(alert("A"), alert("B"), alert("C", "9 left", State.RESOLVED, title="Back in stock"))
    ) == ("[ShopNow+] Sold out: 2 products, Back in stock: 1 product")


def test_the_most_severe_come_first_and_resolved_last():
    mixed = message(alert("C", "9 left", State.RESOLVED), alert("B", severity="warning"), alert("A"))
    assert [item.subject_name for item in mixed.alerts] == ["A", "B", "C"]


def test_the_subject_names_or_counts_other_subjects():
    payments = {"about": "payments", "title": "Payments failing"}
    assert subject(message(alert("A"), alert("all methods, EUR", **payments))) == (
        "[ShopNow+] Sold out: 1 product, Payments failing: all methods, EUR"
    )
    assert (
        subject(message(alert("EUR", **payments), alert("USD", **payments)))
        == "[ShopNow+] Payments failing: 2"
    )


def test_it_replies_to_the_first_messages_about_its_alerts():
    assert message(alert(), alert(thread="key-1")).replies_to == []
    assert message(alert(thread="key-0"), alert(thread="key-1"), alert(thread="key-0")).replies_to == [
        "key-0"
    ]


def test_html_shows_a_hostile_name_as_text():
    tags, shown = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

        def handle_data(self, data):
            shown.append(data)

    Reader().feed(html(message(alert(HOSTILE, facts=HOSTILE, subject=HOSTILE))))
    assert "script" not in tags
    assert "<script>alert(1)</script> & <!channel>" in "".join(shown)


def test_slack_shows_a_hostile_name_as_text():
    body = slack(message(alert(HOSTILE, facts=HOSTILE, subject=HOSTILE)))
    section = body["blocks"][0]["text"]
    assert section["verbatim"] is True
    for shown in (section["text"], body["text"]):
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;!channel&gt;" in shown
        assert "<" not in shown


def test_a_hostile_name_stays_on_one_line():
    hostile = message(alert(HOSTILE, facts=HOSTILE, subject=HOSTILE))
    assert not any(character in subject(hostile) for character in "\r\n\x1b")
    assert "\nBcc:" not in text(hostile)


def test_slack_accepts_a_message_about_very_many_products():
    name = "&" * 500
    body = slack(
        message(*[alert(f"{number} {name}", facts=name, subject=name) for number in range(MAX_SHOWN + 7)])
    )
    assert parse_message(msgspec.json.encode(body), "application/json") == body
    assert "and 7 more" in body["blocks"][MAX_SHOWN]["text"]["text"]


def bodies(composed) -> list[str]:
    return [text(composed), html(composed), str(slack(composed))]


def test_most_money_at_risk_comes_first_with_what_to_order():
    advice = {"P1": Advice(1_234_50, "EUR", 20), "P2": Advice(98_765_00, "EUR", 7)}
    composed = message(alert("A", subject="P1"), alert("B", subject="P2"), advice=advice)
    assert [each.subject_name for each in composed.alerts] == ["B", "A"]
    for body in bodies(composed):
        assert "98,765 EUR of sales at risk; to order: 7" in body
        assert "1,234 EUR of sales at risk; to order: 20" in body
        assert body.count("To do: Reorder it.") == 1


def test_nothing_is_ordered_for_what_is_resolved_or_no_product():
    advice = {"P1": Advice(100, "EUR", 20)}
    resolved, payments = alert(state=State.RESOLVED), alert(about="payments", title="Payments failing")
    for each in (resolved, payments):
        assert not any("to order" in body for body in bodies(message(each, advice=advice)))


def test_five_hundred_products_make_a_short_message():
    name = "A product with a rather long name <b>" * 2
    alerts = [alert(f"{number} {name}", subject=f"P{number}") for number in range(500)]
    composed = message(*alerts, advice={each.subject: Advice(10_00, "EUR", 3) for each in alerts})
    assert len(html(composed)) + len(text(composed)) < 50_000
    for body in bodies(composed):
        assert "… and 480 more (Sold out: 480); 4,800 EUR of sales at risk" in body
        assert body.count("For purchasing; alert") == MAX_SHOWN


def test_the_rest_is_summed_by_currency():
    alerts = [alert(f"{number:02}", subject=f"P{number}") for number in range(MAX_SHOWN + 3)]
    advice = {each.subject: Advice(100_00, "EUR", 1) for each in alerts[:MAX_SHOWN]}
    advice |= {each.subject: Advice(10_00, "EUR", 1) for each in alerts[MAX_SHOWN : MAX_SHOWN + 2]}
    advice[alerts[-1].subject] = Advice(7_00, "JPY", 1)
    for body in bodies(message(*alerts, advice=advice)):
        assert "20 EUR and 7 JPY of sales at risk" in body
