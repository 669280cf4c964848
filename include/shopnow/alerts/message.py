"""Messages about alerts, rendered as a mail (text and HTML) and as Slack blocks.

Names come from events, so from untrusted producers: they are put on one line and escaped for each format.
"""

from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from shopnow.alerts.model import Alert, State
from shopnow.notifications.slack import escape as slack_escape
from shopnow.text_format import one_line

_COLORS = {
    "critical": "#b3261e",
    "warning": "#8a5a00",
    "info": "#1a5fb4",
    "acknowledged": "#5f6368",
    "resolved": "#1e7a34",
}
_EMOJI = {"critical": "🔴", "warning": "🟠", "info": "🔵", "acknowledged": "⚪", "resolved": "🟢"}

MAX_SLACK_ALERTS = 40
"""Alerts shown one by one in Slack, which refuses messages of more than 50 blocks and blocks of more than
3,000 characters. Text from events is cut so that a block stays below that even if every character of it has
to be escaped."""
_MAX_SLACK_BLOCK = 3000
_MAX_FACTS, _MIN_FACTS = 900, 200


class Message(NamedTuple):
    """One evaluation's alerts as a message on a channel; `dedup_key` is the same on every attempt."""

    dedup_key: str
    alerts: tuple[Alert, ...]
    link: str
    """Address in the Airflow UI for more information."""
    warning: str = ""
    """Why the data that the alerts rest on may be wrong; empty if there is no known reason."""
    thread_roots: tuple["ThreadRoot", ...] = ()
    """First messages about alerts that changed with this message."""
    waiting_proposals: int = 0
    """Restock proposals that wait until a person has answered others."""

    @property
    def replies_to(self) -> list[str]:
        """Dedup keys of the earlier first messages about its alerts."""
        return sorted({alert.thread for alert in self.alerts if alert.thread} - {self.dedup_key})


class ThreadRoot(NamedTuple):
    """A message sent before, rendered with the latest state of its alerts, and the channel's id of it."""

    message: Message
    reference: str


def compose(
    dedup_key: str,
    alerts: Iterable[Alert],
    link: str,
    warning: str = "",
    thread_roots: Iterable[ThreadRoot] = (),
    waiting_proposals: int = 0,
) -> Message:
    """Compose the message about the alerts: the most severe first, resolved ones last."""
    kinds = list(_COLORS)
    ordered = sorted(alerts, key=lambda alert: (kinds.index(_kind(alert)), alert.subject_name))
    one_line_warning = one_line(warning, max_length=400)
    return Message(dedup_key, tuple(ordered), link, one_line_warning, tuple(thread_roots), waiting_proposals)


def subject(message: Message) -> str:
    """One line: the only alert, or the number of alerts of each kind."""
    if len(message.alerts) == 1:
        alert = message.alerts[0]
        return one_line(f"[ShopNow+] {alert.title}: {alert.subject_name}")
    groups: dict[tuple[str, str], list[Alert]] = {}
    for alert in message.alerts:
        groups.setdefault((alert.title, alert.about), []).append(alert)
    parts = []
    for (title, about), alerts in groups.items():
        if about == "product":
            parts.append(f"{title}: {len(alerts)} product{'s' * (len(alerts) > 1)}")
        else:
            parts.append(
                f"{title}: {alerts[0].subject_name}" if len(alerts) == 1 else f"{title}: {len(alerts)}"
            )
    return one_line(f"[ShopNow+] {', '.join(parts)}", max_length=200)


def text(message: Message) -> str:
    """The message as plain text."""
    alerts = "\n\n".join(
        "\n  ".join(
            filter(
                None,
                [
                    _headline(alert),
                    _facts(alert),
                    alert.todo and f"To do: {alert.todo}",
                    _owner_and_id(alert),
                ],
            )
        )
        for alert in message.alerts
    )
    warning = f"\n\nIn doubt: {message.warning}" if message.warning else ""
    restock = f"\n\n{waiting}" if (waiting := _waiting_proposals(message)) else ""
    return f"{alerts}{restock}{warning}\n\nMore: {message.link}\n\n-- \nShopNow+ alert {message.dedup_key}\n"


def html(message: Message) -> str:
    """The message as an HTML document."""
    rows = "".join(
        f'<tr><td style="padding:8px 12px;border-left:4px solid {_COLORS[_kind(alert)]}">'
        f"<strong>{escape(_headline(alert))}</strong><br>{escape(_facts(alert))}"
        f"{f'<br>To do: {escape(alert.todo)}' if alert.todo else ''}"
        f'<br><span style="color:#666;font-size:12px">{escape(_owner_and_id(alert))}</span></td></tr>'
        for alert in message.alerts
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(subject(message))}</title>'
        f'<body style="font:16px system-ui,sans-serif"><table style="border-spacing:0 8px">{rows}</table>'
        f"{f'<p>{escape(waiting)}</p>' if (waiting := _waiting_proposals(message)) else ''}"
        f"{f'<p><strong>In doubt:</strong> {escape(message.warning)}</p>' if message.warning else ''}"
        f'<p><a href="{escape(message.link)}">Open it in Airflow</a></p>'
        f'<p style="color:#666;font-size:12px">ShopNow+ alert {escape(message.dedup_key)}</p></body></html>'
    )


def slack(message: Message) -> dict[str, Any]:
    """The message as the body of a Slack incoming webhook."""
    blocks: list[dict[str, Any]] = [
        _section(_slack_alert(alert)) for alert in message.alerts[:MAX_SLACK_ALERTS]
    ]
    if (more := len(message.alerts) - MAX_SLACK_ALERTS) > 0:
        blocks.append(_section(f"… and {more} more"))
    if waiting := _waiting_proposals(message):
        blocks.append(_section(slack_escape(waiting)))
    if message.warning:
        blocks.append(_section(f"⚠️ *In doubt:* {slack_escape(message.warning)}"))
    link = f"<{slack_escape(message.link)}|Open it in Airflow>"
    context = f"{link} · ShopNow+ alert {slack_escape(message.dedup_key)}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]})
    return {"text": slack_escape(subject(message)), "blocks": blocks}


def _waiting_proposals(message: Message) -> str:
    """How many restock proposals wait, if the message is about products; empty if none does."""
    if not message.waiting_proposals or all(alert.about != "product" for alert in message.alerts):
        return ""
    return (
        f"Restock proposals that wait until others are answered: {message.waiting_proposals:,}, "
        "most money at risk first; ./shopnow alerts lists them"
    )


def _kind(alert: Alert) -> str:
    return alert.state.value if alert.state in {State.RESOLVED, State.ACKNOWLEDGED} else alert.severity


def _headline(alert: Alert) -> str:
    id_ = f" ({one_line(alert.subject, max_length=60)})" if alert.about == "product" else ""
    return f"{alert.title}: {one_line(alert.subject_name)}{id_}"


def _facts(alert: Alert, max_length: int = _MAX_FACTS) -> str:
    since = f"{'' if alert.is_active else 'resolved '}since {alert.since:%Y-%m-%d %H:%M:%S} UTC"
    return f"{one_line(alert.facts, max_length=max_length)}, {since}"


def _owner_and_id(alert: Alert) -> str:
    """The owner, and the id by which the alert is acknowledged."""
    return f"For {alert.owner}; alert {one_line(alert.fingerprint, max_length=80)}"


def _slack_alert(alert: Alert) -> str:
    todo = f"\nTo do: {slack_escape(alert.todo)}" if alert.todo else ""
    headline = f"{_EMOJI[_kind(alert)]} *{slack_escape(_headline(alert))}*"
    owner = slack_escape(_owner_and_id(alert))
    facts = slack_escape(_facts(alert))
    if len(headline) + len(facts) + len(todo) + len(owner) + 2 > _MAX_SLACK_BLOCK:
        facts = slack_escape(_facts(alert, _MIN_FACTS))
    return f"{headline}\n{facts}{todo}\n{owner}"


def _section(markdown: str) -> dict[str, Any]:
    # verbatim: Slack must not turn a product's name into a link, a mention or a channel.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}
