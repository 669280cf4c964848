"""A message about alerts, and how it reads: as a mail (text and HTML) and as Slack blocks.

Names come from events, so from anyone: they are put on one line and escaped for wherever they are shown.
"""

from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from shopnow.alerts.engine import Alert, State
from shopnow.text_format import one_line

_COLOURS = {
    "critical": "#b3261e",
    "warning": "#8a5a00",
    "info": "#1a5fb4",
    "acknowledged": "#5f6368",
    "resolved": "#1e7a34",
}
_LIGHTS = {"critical": "🔴", "warning": "🟠", "info": "🔵", "acknowledged": "⚪", "resolved": "🟢"}

SLACK_ALERTS = 40
"""Alerts shown one by one in Slack, which refuses a message of more than 50 blocks, and a block of more than 3,000 characters:
what comes from events is cut so that even when every character of it has to be escaped, a block has fewer."""


class Message(NamedTuple):
    """What one look found, as one message on a channel. `dedup_key` stays the same however often it is sent."""

    dedup_key: str
    alerts: tuple[Alert, ...]
    link: str
    """Where to look further: an address of the Airflow UI."""
    doubt: str = ""
    """Why the figures it rests on may be wrong; empty if nothing speaks against them."""
    firsts: tuple["ThreadRoot", ...] = ()
    """The first messages about alerts that changed with it."""

    @property
    def replies_to(self) -> list[str]:
        """Dedup keys of the first messages about its alerts, but for those it is the first about."""
        return sorted({alert.thread for alert in self.alerts if alert.thread} - {self.dedup_key})


class ThreadRoot(NamedTuple):
    """A message sent before, with its alerts as they stand now, and what its channel calls it."""

    message: Message
    reference: str


def compose(
    dedup_key: str, alerts: Iterable[Alert], link: str, doubt: str = "", firsts: Iterable[ThreadRoot] = ()
) -> Message:
    """The message about the alerts: the worst first, what is over last."""
    kinds = list(_COLOURS)
    worst_first = sorted(alerts, key=lambda alert: (kinds.index(_kind(alert)), alert.subject_name))
    return Message(dedup_key, tuple(worst_first), link, one_line(doubt, longest=400), tuple(firsts))


def subject(message: Message) -> str:
    """One line: the only alert, or how many there are of each kind."""
    if len(message.alerts) == 1:
        alert = message.alerts[0]
        return one_line(f"[ShopNow+] {alert.title}: {alert.subject_name}")
    alike: dict[tuple[str, str], list[Alert]] = {}
    for alert in message.alerts:
        alike.setdefault((alert.title, alert.about), []).append(alert)
    parts = []
    for (title, about), alerts in alike.items():
        if about == "product":
            parts.append(f"{title}: {len(alerts)} product{'s' * (len(alerts) > 1)}")
        else:
            parts.append(
                f"{title}: {alerts[0].subject_name}" if len(alerts) == 1 else f"{title}: {len(alerts)}"
            )
    return one_line(f"[ShopNow+] {', '.join(parts)}", longest=200)


def text(message: Message) -> str:
    """The message as plain text."""
    alerts = "\n\n".join(
        "\n  ".join(
            filter(
                None,
                [_headline(alert), _facts(alert), alert.todo and f"To do: {alert.todo}", _for_whom(alert)],
            )
        )
        for alert in message.alerts
    )
    doubt = f"\n\nIn doubt: {message.doubt}" if message.doubt else ""
    return f"{alerts}{doubt}\n\nMore: {message.link}\n\n-- \nShopNow+ alert {message.dedup_key}\n"


def html(message: Message) -> str:
    """The message as an HTML document."""
    rows = "".join(
        f'<tr><td style="padding:8px 12px;border-left:4px solid {_COLOURS[_kind(alert)]}">'
        f"<strong>{escape(_headline(alert))}</strong><br>{escape(_facts(alert))}"
        f"{f'<br>To do: {escape(alert.todo)}' if alert.todo else ''}"
        f'<br><span style="color:#666;font-size:12px">{escape(_for_whom(alert))}</span></td></tr>'
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
        blocks.append(_section(f"⚠️ *In doubt:* {slack_escape(message.doubt)}"))
    context = f"<{slack_escape(message.link)}|Open it in Airflow> · ShopNow+ alert {slack_escape(message.dedup_key)}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]})
    return {"text": slack_escape(subject(message)), "blocks": blocks}


def _kind(alert: Alert) -> str:
    return alert.state.value if alert.state in {State.RESOLVED, State.ACKNOWLEDGED} else alert.severity


def _headline(alert: Alert) -> str:
    id_ = f" ({one_line(alert.subject, longest=60)})" if alert.about == "product" else ""
    return f"{alert.title}: {one_line(alert.subject_name)}{id_}"


def _facts(alert: Alert) -> str:
    return f"{one_line(alert.facts, longest=200)}, {'' if alert.active else 'resolved '}since {alert.since:%Y-%m-%d %H:%M:%S} UTC"


def _for_whom(alert: Alert) -> str:
    """Who takes care of it, and what to call it when acknowledging it."""
    return f"For {alert.owner}; alert {one_line(alert.fingerprint, longest=80)}"


def _slack_alert(alert: Alert) -> str:
    todo = f"\nTo do: {slack_escape(alert.todo)}" if alert.todo else ""
    facts = f"{slack_escape(_facts(alert))}{todo}\n{slack_escape(_for_whom(alert))}"
    return f"{_LIGHTS[_kind(alert)]} *{slack_escape(_headline(alert))}*\n{facts}"


def _section(markdown: str) -> dict[str, Any]:
    # verbatim: Slack makes no link, mention or channel out of what a product happens to be called.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}


def slack_escape(text: str) -> str:
    """The text as it is, in Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
