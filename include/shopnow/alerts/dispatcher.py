"""Delivering the outbox: every message once to its channel, trying again while that may help.

A message is sent, then marked as sent; a crash in between repeats it once, with the same dedup key, and never loses it.
An answer that does not come leaves open whether the message was taken: it is repeated once, as soon as the channel is
seen to answer again, and if that brings no answer either, it stays `unconfirmed`. What a channel does not take for long is
`dead`. Both are shown by `./shopnow alerts`, and the alerts in it, if they still fire, are told again in their time.
"""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TypedDict

from shopnow.alerts import alert_log, outbox
from shopnow.alerts.alert_log import Row
from shopnow.alerts.channels import Channel, Refused, Unavailable, Unconfirmed
from shopnow.alerts.engine import Alert
from shopnow.alerts.message import Message, ThreadRoot, compose
from shopnow.alerts.outbox import HAND_OVERS, Pending
from shopnow.audit import audit_log
from shopnow.failpoints import failpoint
from shopnow.lake.delta.tables import Table

PATIENCE = timedelta(seconds=60)
"""How long one delivery tries again; well under the outbox's lease."""

Contents = Mapping[tuple[str, str], Message]
"""What is said, by dedup key and channel."""

_POLL = 1.0
_log = logging.getLogger(__name__)


class Delivery(TypedDict):
    """A message that reached its channel."""

    channel: str
    dedup_key: str
    alerts: int


class Sent(TypedDict):
    """What a channel has been sent so far."""

    channel: str
    messages: int
    alerts: int


class Undelivered(Exception):
    """Messages are still in the outbox; run the delivery again."""


def deliver(
    lake: str, owner: str, channels: Mapping[str, Channel], airflow_url: str, patience: timedelta = PATIENCE
) -> list[Delivery]:
    """Send every queued message, oldest first, each channel at its own pace.

    Messages another run is sending are waited for, so that when this returns, they are out too.

    Args:
        lake: the lake's address.
        owner: who sends, as given to `evaluate`.
        channels: the channels by name.
        airflow_url: base address of the Airflow UI; the message links to the DAG there.
        patience: how long to go on trying a channel that does not take messages.

    Raises:
        Undelivered: a channel did not take a message; it stays in the outbox for the next try.
    """
    deliveries: list[Delivery] = []
    while True:
        now = datetime.now(UTC)
        table = alert_log.open_journal(lake)
        try:
            messages = outbox.claim(table, owner, now, at_least=patience * 1.5)
        except alert_log.ConcurrentWrite:
            continue
        mine = [message for message in messages if message.held_by == owner]
        theirs = [message for message in messages if message.held_by not in {owner, None}]
        if mine:
            link = f"{airflow_url.rstrip('/')}/dags/watch_stock"
            contents = _contents(alert_log.rows(table, "alert", "message"), mine, link, _doubt(lake))
            deliveries += _deliver(lake, mine, contents, channels, patience)
        elif theirs:
            _log.info("waiting for %d messages that %s is sending", len(theirs), theirs[0].held_by)
            time.sleep(_POLL)
        else:
            return deliveries


def sent(lake: str) -> list[Sent]:
    """How many messages, and alerts in them, each channel has been sent."""
    if not Table(lake, alert_log.TABLE).exists():
        return []
    rows = alert_log.rows(alert_log.open_journal(lake), "alert", "message")
    told = alert_log.announced(rows)
    keys = {
        (row["channel"], row["dedup_key"])
        for row in rows
        if row["kind"] == "message" and row["state"] == "sent"
    }
    counts = Counter(channel for channel, _ in keys)
    return [
        Sent(
            channel=channel,
            messages=count,
            alerts=sum(len(_on(channel, told[key])) for of, key in keys if of == channel),
        )
        for channel, count in sorted(counts.items())
    ]


def _contents(rows: list[Row], mine: Iterable[Pending], link: str, doubt: str) -> Contents:
    """What each message says on its channel, and of which earlier ones it changes what they say."""
    told, standings = alert_log.announced(rows), alert_log.standings(rows)
    references = {
        (row["dedup_key"], row["channel"]): row["reference"]
        for row in rows
        if row["kind"] == "message" and row["reference"]
    }
    decided = {
        row["dedup_key"]: row["sequence"] for row in rows if row["kind"] == "alert" and row["dedup_key"]
    }

    def now(alert: Alert) -> Alert:
        standing = standings[alert.fingerprint].alert
        return standing if standing.firing == alert.firing else alert

    def firsts(key: str, channel: str) -> Iterator[ThreadRoot]:
        changed = {
            row["thread"] for row in rows if row["kind"] == "alert" and row["sequence"] == decided[key]
        }
        for thread in sorted(changed - {None, key}):
            if reference := references.get((thread, channel)):
                yield ThreadRoot(
                    compose(thread, map(now, _on(channel, told[thread])), link, doubt), reference
                )

    return {
        (each.dedup_key, each.channel): compose(
            each.dedup_key,
            _on(each.channel, told[each.dedup_key]),
            link,
            doubt,
            firsts(each.dedup_key, each.channel),
        )
        for each in mine
    }


def _on(channel: str, alerts: Iterable[Alert]) -> list[Alert]:
    """Those that are told on the channel."""
    return [alert for alert in alerts if channel in alert.channels]


def _doubt(lake: str) -> str:
    """What the last audit of the lake has found wrong with what the alerts rest on."""
    audit = audit_log.latest(lake)
    if audit is None or not audit.broken:
        return ""
    return f"the audit of {audit.at:%Y-%m-%d %H:%M} UTC found that this does not hold: {audit.verdict}: {audit.broken[0].detail}"


def _deliver(
    lake: str, mine: list[Pending], contents: Contents, channels: Mapping[str, Channel], patience: timedelta
) -> list[Delivery]:
    """Send the messages and write down what became of each. Raises `Undelivered` if a channel did not take one."""
    deliveries: list[Delivery] = []
    failures: list[str] = []
    for row in _send_all(mine, contents, channels, patience):
        alert_log.note(lake, [row])
        channel, key = row["channel"], row["dedup_key"]
        if row["state"] == "sent":
            failpoint("alerts:marked")
            _log.info("%s: sent message %s", channel, key)
            deliveries.append(
                Delivery(channel=channel, dedup_key=key, alerts=len(contents[key, channel].alerts))
            )
        else:
            _log.warning("%s: message %s is %s: %s", channel, key, row["state"], row["reason"])
            if row["state"] in {"failed", "dead"}:
                failures.append(f"{channel}: {row['reason']}")
    if failures:
        raise Undelivered(f"messages are not out, see ./shopnow alerts: {'; '.join(dict.fromkeys(failures))}")
    return deliveries


def _send_all(
    mine: list[Pending], contents: Contents, channels: Mapping[str, Channel], patience: timedelta
) -> Iterator[Row]:
    """Send the messages, every channel in a thread of its own, so that one that hangs holds back no other.

    Yields:
        Rows for the journal, as things happen; the threads leave the lake alone, whose client can hang when two use it.
    """
    queues: dict[str, list[Pending]] = {}
    for message in mine:
        queues.setdefault(message.channel, []).append(message)
    rows: SimpleQueue[Row | None] = SimpleQueue()

    def run(channel: str) -> None:
        try:
            for row in _drain(
                channels, queues[channel], contents, time.monotonic() + patience.total_seconds()
            ):
                rows.put(row)
        finally:
            rows.put(None)

    with ThreadPoolExecutor(len(queues), thread_name_prefix="deliver") as threads:
        runs = [threads.submit(run, channel) for channel in queues]
        for _ in queues:
            yield from iter(rows.get, None)
        for each in runs:
            each.result()


def _drain(
    channels: Mapping[str, Channel], queue: list[Pending], contents: Contents, deadline: float
) -> Iterator[Row]:
    """Send one channel's messages in order; what there is no time for is left to be claimed anew."""
    tries = 0
    while queue and time.monotonic() < deadline:
        message = queue[0] = queue[0]._replace(attempts=queue[0].attempts + 1)
        try:
            tries += 1
            reference = _send(channels, message, contents[message.dedup_key, message.channel])
        except Unavailable as error:
            wait = backoff(tries, error.retry_after)
            if time.monotonic() + wait >= deadline:
                yield from (each.failed(str(error)) for each in queue)
                return
            _log.info("%s: %s; trying again in %.0f s", message.channel, error, wait)
            time.sleep(wait)
            continue
        except Unconfirmed as error:
            message = message._replace(unconfirmed=message.unconfirmed + 1)
            yield message.row("unconfirmed", datetime.now(UTC), str(error))
            if message.unconfirmed < HAND_OVERS:
                queue = [message, *queue[1:]]
                continue
        except Refused as error:
            yield message.failed(str(error))
        else:
            yield message.row("sent", datetime.now(UTC), reference=reference)
        tries = 0
        queue = queue[1:]


def _send(channels: Mapping[str, Channel], pending: Pending, message: Message) -> str | None:
    if pending.channel not in channels:
        raise Refused(f"there is no channel of that name; there are {', '.join(channels)}")
    channel = channels[pending.channel]
    try:
        if pending.unconfirmed:
            channel.ready()
        failpoint("alerts:sending")
        reference = channel.send(message)
        failpoint("alerts:sent")
    except (Unavailable, Refused, Unconfirmed):
        raise
    except (
        Exception
    ) as error:  # a fault in one channel must not hold back the others; its text could hold a secret
        frames = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s: %s at\n%s", pending.channel, type(error).__name__, frames)
        raise Refused(f"unexpected {type(error).__name__}; its traceback is in the log") from None
    return reference


def backoff(attempt: int, retry_after: float = 0) -> float:
    """Seconds to wait after the n-th failed attempt in a row: 1, 2, 4, … up to 15, but no less than was asked for."""
    return max(min(2.0 ** (attempt - 1), 15.0), retry_after)
