"""How a message reads, and that what a product is called cannot harm it."""

from html.parser import HTMLParser

from factories.alert_factory import alert
from shopnow.alerts.engine import Alert, State
from shopnow.alerts.message import SLACK_ALERTS, compose, html, slack, subject, text
from shopnow.local_stack.webhook_server import message_or_problem


def message(*alerts: Alert):
    return compose("key-1", alerts or [alert()], "http://airflow.example/dags/watch_stock")


NASTY = "Mug</td><script>alert(1)</script> & <!channel> <http://x.example|y>\r\nBcc: all@example.org\x1b[2J"


def test_it_says_what_how_many_since_when_and_what_to_do():
    for body in (text(message()), html(message()), str(slack(message()))):
        for fact in (
            "Sold out",
            "Mug",
            "0 left",
            "2026-07-01 12:30:00 UTC",
            "Reorder it.",
            "For purchasing; alert stock_out:P1",
            "key-1",
            "http://airflow.example/dags/watch_stock",
        ):
            assert fact in body


def test_it_says_when_the_figures_are_in_doubt():
    doubtful = compose("key-1", [alert()], "http://airflow.example", doubt="raw <= receipts\nno")
    assert "In doubt: raw <= receipts no" in text(doubtful)
    assert "raw &lt;= receipts no" in html(doubtful)
    assert "raw &lt;= receipts no" in str(slack(doubtful))
    assert all("doubt" not in body for body in (text(message()), html(message()), str(slack(message()))))


def test_the_subject_names_the_only_product_or_counts_them():
    assert subject(message()) == "[ShopNow+] Sold out: Mug"
    assert subject(
        message(alert("A"), alert("B"), alert("C", "9 left", State.RESOLVED, title="Back in stock"))
    ) == ("[ShopNow+] Sold out: 2 products, Back in stock: 1 product")


def test_the_worst_comes_first_and_what_is_over_last():
    mixed = message(alert("C", "9 left", State.RESOLVED), alert("B", severity="warning"), alert("A"))
    assert [each.subject_name for each in mixed.alerts] == ["A", "B", "C"]


def test_the_subject_names_or_counts_what_is_no_product():
    payments = {"about": "payments", "title": "Payments fail"}
    assert subject(message(alert("A"), alert("all methods, EUR", **payments))) == (
        "[ShopNow+] Sold out: 1 product, Payments fail: all methods, EUR"
    )
    assert (
        subject(message(alert("EUR", **payments), alert("USD", **payments))) == "[ShopNow+] Payments fail: 2"
    )


def test_it_answers_the_first_messages_about_its_alerts():
    assert message(alert(), alert(thread="key-1")).replies_to == []
    assert message(alert(thread="key-0"), alert(thread="key-1"), alert(thread="key-0")).replies_to == [
        "key-0"
    ]


def test_html_shows_a_nasty_name_as_text():
    tags, shown = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

        def handle_data(self, data):
            shown.append(data)

    Reader().feed(html(message(alert(NASTY, facts=NASTY, subject=NASTY))))
    assert "script" not in tags
    assert "<script>alert(1)</script> & <!channel>" in "".join(shown)


def test_slack_shows_a_nasty_name_as_text():
    body = slack(message(alert(NASTY, facts=NASTY, subject=NASTY)))
    section = body["blocks"][0]["text"]
    assert section["verbatim"] is True
    for shown in (section["text"], body["text"]):
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;!channel&gt;" in shown
        assert "<" not in shown


def test_a_nasty_name_stays_on_one_line():
    nasty = message(alert(NASTY, facts=NASTY, subject=NASTY))
    assert not any(character in subject(nasty) for character in "\r\n\x1b")
    assert "\nBcc:" not in text(nasty)


def test_slack_takes_a_message_about_very_many_products():
    name = "&" * 500
    body = slack(
        message(*[alert(f"{number} {name}", facts=name, subject=name) for number in range(SLACK_ALERTS + 7)])
    )
    import json

    assert message_or_problem(json.dumps(body).encode(), "application/json") == body
    assert "and 7 more" in body["blocks"][SLACK_ALERTS]["text"]["text"]
