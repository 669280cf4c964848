"""Messages about alerts, rendered as a mail (text and HTML) and as Slack blocks.

Names come from events, so from untrusted producers: they are put on one line and escaped for each format.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

from shopnow.alerts.model import Alert, State
from shopnow.alerts.restock_advice import Advice
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

MAX_SHOWN = 20
"""Alerts that a message shows one by one, the most urgent first; it counts the others.

Mail programs cut a message at some 100 kB, and Slack refuses one of more than 50 blocks, or with a block of
more than 3,000 characters. Text from events is cut so that a block stays below that even if every character
of it has to be escaped."""
_MAX_SLACK_BLOCK = 3000
_MAX_FACTS, _MIN_FACTS = 900, 200


class Background(NamedTuple):
    """What a message says besides its alerts."""

    link: str
    """Address of the alerts in the Airflow UI."""
    warning: str = ""
    """Why the data that the alerts rest on may be wrong; empty if there is no known reason."""
    advice: Mapping[str, Advice] = {}
    """What to do about products, by product id."""


class Message(NamedTuple):
    """One evaluation's alerts as a message on a channel; `dedup_key` is the same on every attempt."""

    dedup_key: str
    alerts: tuple[Alert, ...]
    """The most urgent first."""
    background: Background
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
    background: Background,
    thread_roots: Iterable[ThreadRoot] = (),
    waiting_proposals: int = 0,
) -> Message:
    """Compose the message about the alerts: the most severe first, of these most money at risk first."""
    kinds = list(_COLORS)

    def urgency(alert: Alert) -> tuple[int, int, str]:
        advice = background.advice.get(alert.subject) if alert.about == "product" else None
        return kinds.index(_kind(alert)), -(advice.at_risk_cents if advice else 0), alert.subject_name

    warning = one_line(background.warning, max_length=400)
    return Message(
        dedup_key,
        tuple(sorted(alerts, key=urgency)),
        background._replace(warning=warning),
        tuple(thread_roots),
        waiting_proposals,
    )


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
    parts = [
        *(
            "\n  ".join([_headline(alert), *_lines(message, number)])
            for number, alert in enumerate(message.alerts[:MAX_SHOWN])
        ),
        _rest(message),
        _waiting_proposals(message),
        f"In doubt: {message.background.warning}" if message.background.warning else "",
        f"More: {message.background.link}",
        f"-- \nShopNow+ alert {message.dedup_key}\n",
    ]
    return "\n\n".join(filter(None, parts))


def html(message: Message) -> str:
    """The message as an HTML document."""
    rows = "".join(
        f'<tr><td style="padding:8px 12px;border-left:4px solid {_COLORS[_kind(alert)]}">'
        f"<strong>{escape(_headline(alert))}</strong><br>"
        f"{'<br>'.join(map(escape, _lines(message, number)))}</td></tr>"
        for number, alert in enumerate(message.alerts[:MAX_SHOWN])
    )
    warning = escape(message.background.warning)
    paragraphs = [
        escape(_rest(message)),
        escape(_waiting_proposals(message)),
        f"<strong>In doubt:</strong> {warning}" if warning else "",
        f'<a href="{escape(message.background.link)}">Open the alerts in Airflow</a>',
        f'<span style="color:#666;font-size:12px">ShopNow+ alert {escape(message.dedup_key)}</span>',
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(subject(message))}</title>'
        f'<body style="font:16px system-ui,sans-serif"><table style="border-spacing:0 8px">{rows}</table>'
        f"{''.join(f'<p>{paragraph}</p>' for paragraph in filter(None, paragraphs))}</body></html>"
    )


def slack(message: Message) -> dict[str, Any]:
    """The message as the body of a Slack incoming webhook."""
    sections = [_slack_alert(message, number) for number in range(len(message.alerts[:MAX_SHOWN]))]
    sections += [slack_escape(line) for line in (_rest(message), _waiting_proposals(message)) if line]
    if message.background.warning:
        sections.append(f"⚠️ *In doubt:* {slack_escape(message.background.warning)}")
    link = f"<{slack_escape(message.background.link)}|Open the alerts in Airflow>"
    context = f"{link} · ShopNow+ alert {slack_escape(message.dedup_key)}"
    blocks: list[dict[str, Any]] = [_section(section) for section in sections]
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]})
    return {"text": slack_escape(subject(message)), "blocks": blocks}


def _rest(message: Message) -> str:
    """How many alerts of each title are not shown, and the money at risk in them; empty if all are."""
    rest = message.alerts[MAX_SHOWN:]
    if not rest:
        return ""
    counts = ", ".join(
        f"{title}: {count:,}" for title, count in Counter(alert.title for alert in rest).items()
    )
    cents: Counter[str] = Counter()
    for alert in rest:
        if advice := _advice_on(message, alert):
            cents[advice.currency] += advice.at_risk_cents
    sums = " and ".join(_money(amount, currency) for currency, amount in cents.items() if amount)
    return f"… and {len(rest):,} more ({counts}){f'; {sums} of sales at risk' if sums else ''}"


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


def _advice_on(message: Message, alert: Alert) -> Advice | None:
    """The advice on the product of an active alert; None if it is unknown, or about something else."""
    return (
        message.background.advice.get(alert.subject) if alert.about == "product" and alert.is_active else None
    )


def _advice(message: Message, alert: Alert) -> str:
    """The money at risk and the pieces to order; empty if unknown."""
    advice = _advice_on(message, alert)
    if advice is None:
        return ""
    at_risk = f"{_money(advice.at_risk_cents, advice.currency)} of sales at risk"
    return f"{at_risk}; to order: {advice.pieces:,}"


def _money(cents: int, currency: str) -> str:
    return f"{cents / 100:,.0f} {currency}".strip()


def _todo(message: Message, number: int) -> str:
    """What to do, with the first of the alerts of a title."""
    alert = message.alerts[number]
    is_first = all(earlier.title != alert.title for earlier in message.alerts[:number])
    return f"To do: {alert.todo}" if alert.todo and is_first else ""


def _lines(message: Message, number: int) -> list[str]:
    """The lines below an alert's headline."""
    alert = message.alerts[number]
    lines = [_facts(alert), _advice(message, alert), _todo(message, number), _owner_and_id(alert)]
    return [line for line in lines if line]


def _slack_alert(message: Message, number: int) -> str:
    alert = message.alerts[number]
    headline = f"{_EMOJI[_kind(alert)]} *{slack_escape(_headline(alert))}*"
    lines = [headline, *map(slack_escape, _lines(message, number))]
    if len("\n".join(lines)) > _MAX_SLACK_BLOCK:
        lines[1] = slack_escape(_facts(alert, _MIN_FACTS))
    return "\n".join(lines)


def _section(markdown: str) -> dict[str, Any]:
    # verbatim: Slack must not turn a product's name into a link, a mention or a channel.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}
