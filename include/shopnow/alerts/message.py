"""A message about alerts, and how it reads: as a mail (text and HTML) and as Slack blocks.

Product names come from events, so from anyone: they are put on one line and escaped for wherever they are shown.
"""

from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from shopnow.alerts.engine import Alert, State
from shopnow.printing import one_line

_COLOURS = {"critical": "#b3261e", "warning": "#8a5a00", "info": "#1a5fb4", "resolved": "#1e7a34"}
_LIGHTS = {"critical": "🔴", "warning": "🟠", "info": "🔵", "resolved": "🟢"}

SLACK_ALERTS = 40
"""Alerts shown one by one in Slack, which refuses a message of more than 50 blocks."""


class Message(NamedTuple):
    """What one run found, as one message. `dedup_key` stays the same however often it is sent."""

    dedup_key: str
    alerts: tuple[Alert, ...]
    link: str
    """Where to look further: an address of the Airflow UI."""
    doubt: str = ""
    """Why the figures it rests on may be wrong; empty if nothing speaks against them."""


def compose(dedup_key: str, alerts: Iterable[Alert], link: str, doubt: str = "") -> Message:
    """The message about the alerts: the worst first, what is over last."""
    kinds = list(_COLOURS)
    worst_first = sorted(alerts, key=lambda alert: (kinds.index(_kind(alert)), alert.product_name))
    return Message(dedup_key, tuple(worst_first), link, one_line(doubt, longest=400))


def subject(message: Message) -> str:
    """One line: the only alert, or how many there are of each kind."""
    if len(message.alerts) == 1:
        alert = message.alerts[0]
        return one_line(f"[ShopNow+] {alert.title}: {alert.product_name}")
    counts = Counter(alert.title for alert in message.alerts)
    return "[ShopNow+] " + ", ".join(
        f"{title}: {count} products" if count > 1 else f"{title}: 1 product" for title, count in counts.items()
    )


def text(message: Message) -> str:
    """The message as plain text."""
    alerts = "\n\n".join(
        "\n".join(filter(None, [f"{_headline(alert)}\n  {_facts(alert)}", alert.todo and f"  To do: {alert.todo}"]))
        for alert in message.alerts
    )
    doubt = f"\n\nIn doubt: {message.doubt}" if message.doubt else ""
    return f"{alerts}{doubt}\n\nMore: {message.link}\n\n-- \nShopNow+ alert {message.dedup_key}\n"


def html(message: Message) -> str:
    """The message as an HTML document."""
    rows = "".join(
        f'<tr><td style="padding:8px 12px;border-left:4px solid {_COLOURS[_kind(alert)]}">'
        f"<strong>{escape(_headline(alert))}</strong><br>{escape(_facts(alert))}"
        f"{f'<br>To do: {escape(alert.todo)}' if alert.todo else ''}</td></tr>"
        for alert in message.alerts
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(subject(message))}</title>'
        f'<body style="font:16px system-ui,sans-serif"><table style="border-spacing:0 8px">{rows}</table>'
        f"{f'<p><strong>In doubt:</strong> {escape(message.doubt)}</p>' if message.doubt else ''}"
        f'<p><a href="{escape(message.link)}">Open it in Airflow</a></p>'
        f'<p style="color:#666;font-size:12px">ShopNow+ alert {escape(message.dedup_key)}</p></body></html>'
    )


def slack(message: Message) -> dict[str, Any]:
    """The message as the body of a Slack incoming webhook."""
    blocks: list[dict[str, Any]] = [_section(_slack_alert(alert)) for alert in message.alerts[:SLACK_ALERTS]]
    if (more := len(message.alerts) - SLACK_ALERTS) > 0:
        blocks.append(_section(f"… and {more} more"))
    if message.doubt:
        blocks.append(_section(f"⚠️ *In doubt:* {_slack_escape(message.doubt)}"))
    context = f"<{_slack_escape(message.link)}|Open it in Airflow> · ShopNow+ alert {_slack_escape(message.dedup_key)}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]})
    return {"text": _slack_escape(subject(message)), "blocks": blocks}


def _kind(alert: Alert) -> str:
    return "resolved" if alert.state == State.RESOLVED else alert.severity


def _headline(alert: Alert) -> str:
    return f"{alert.title}: {one_line(alert.product_name)} ({one_line(alert.product_id)})"


def _facts(alert: Alert) -> str:
    return f"{alert.quantity} left, since {alert.since:%Y-%m-%d %H:%M:%S} UTC"


def _slack_alert(alert: Alert) -> str:
    todo = f"\nTo do: {_slack_escape(alert.todo)}" if alert.todo else ""
    return f"{_LIGHTS[_kind(alert)]} *{_slack_escape(_headline(alert))}*\n{_facts(alert)}{todo}"


def _section(markdown: str) -> dict[str, Any]:
    # verbatim: Slack makes no link, mention or channel out of what a product happens to be called.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}


def _slack_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
