"""Deliver the outbox: every message once on its channel, with retries while they can help.

A message is sent, then marked as sent: at-least-once delivery, where a crash in between repeats it with the
same dedup key. If no answer comes, the message may have been accepted: it is sent once more as soon as the
channel answers again, and if that brings no answer either, it stays `unconfirmed`. A message that its channel
refuses for long is `dead`. Both are shown by `./shopnow alerts`, and reminders are sent for their alerts
while those still fire.
"""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import TypedDict

from deltalake import DeltaTable

from shopnow.alerts import alert_log, message_contents, outbox
from shopnow.alerts.alert_log import Row
from shopnow.alerts.channels import Channel
from shopnow.alerts.message import Message
from shopnow.alerts.message_contents import MessageContents
from shopnow.alerts.outbox import MAX_UNCONFIRMED, Pending
from shopnow.failpoints import failpoint
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.notifications.delivery_errors import Refused, Unavailable, Unconfirmed

RETRY_TIMEOUT = timedelta(seconds=60)
"""Time for which one delivery retries; well below the outbox's lease."""

_POLL_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Delivery(TypedDict):
    """A message that reached its channel."""

    channel: str
    dedup_key: str
    alerts: int


class Sent(TypedDict):
    """Totals of the messages sent on a channel."""

    channel: str
    messages: int
    alerts: int


class Undelivered(Exception):
    """Messages are still in the outbox; deliver again."""


def deliver(
    lake: str,
    owner: str,
    channels: Mapping[str, Channel],
    airflow_url: str,
    retry_timeout: timedelta = RETRY_TIMEOUT,
) -> list[Delivery]:
    """Send every queued message, oldest first, each channel at its own pace.

    Waits for messages that another run is sending, so that they are sent too when this returns.

    Args:
        lake: the lake's address.
        owner: the sender, as given to `evaluate`.
        channels: channels by name.
        airflow_url: base address of the Airflow UI; messages link to the stock page of the tab there.
        retry_timeout: time for which a channel that does not accept messages is retried.

    Raises:
        Undelivered: a channel did not accept a message; it stays in the outbox for the next try.
    """
    deliveries: list[Delivery] = []

    def claim() -> tuple[DeltaTable, list[Pending]]:
        table = alert_log.open_table(lake)
        return table, outbox.claim(table, owner, datetime.now(UTC), at_least=retry_timeout * 1.5)

    while True:
        table, messages = retry_on_conflict(claim)
        own = [message for message in messages if message.held_by == owner]
        others = [message for message in messages if message.held_by not in {owner, None}]
        if own:
            link = f"{airflow_url.rstrip('/')}/plugin/shopnow#/stock"
            rows = alert_log.read_rows(table, "alert", "message", "proposal")
            contents = message_contents.compose_all(rows, own, message_contents.read_background(lake, link))
            deliveries += _deliver(lake, own, contents, channels, retry_timeout)
        elif others:
            _log.info("waiting for %d messages that %s is sending", len(others), others[0].held_by)
            time.sleep(_POLL_SECONDS)
        else:
            return deliveries


def sent_totals(lake: str) -> list[Sent]:
    """Return how many messages, and alerts in them, were sent on each channel."""
    if not Table(lake, alert_log.TABLE).exists():
        return []
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert", "message")
    alerts = alert_log.announced_alerts(rows)
    sent = {
        (row["channel"], row["dedup_key"])
        for row in rows
        if row["kind"] == "message" and row["state"] == "sent"
    }
    counts = Counter(channel for channel, _ in sent)
    return [
        Sent(
            channel=name,
            messages=count,
            alerts=sum(
                len(message_contents.for_channel(name, alerts[key]))
                for channel, key in sent
                if channel == name
            ),
        )
        for name, count in sorted(counts.items())
    ]


def _deliver(
    lake: str,
    messages: list[Pending],
    contents: MessageContents,
    channels: Mapping[str, Channel],
    retry_timeout: timedelta,
) -> list[Delivery]:
    """Send the messages and record each outcome. Raises `Undelivered` if a channel did not accept one."""
    deliveries: list[Delivery] = []
    failures: list[str] = []
    for row in _send_all(messages, contents, channels, retry_timeout):
        alert_log.append(lake, [row])
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
        reasons = "; ".join(dict.fromkeys(failures))
        raise Undelivered(f"messages are not delivered, see ./shopnow alerts: {reasons}")
    return deliveries


def _send_all(
    messages: list[Pending],
    contents: MessageContents,
    channels: Mapping[str, Channel],
    retry_timeout: timedelta,
) -> Iterator[Row]:
    """Send the messages with one thread per channel, so that a channel that hangs delays no other.

    Yields:
        Rows for the alert log as outcomes are known. The threads do not touch the lake, whose client can hang
        when two threads use it.
    """
    queues: dict[str, list[Pending]] = {}
    for message in messages:
        queues.setdefault(message.channel, []).append(message)
    rows: SimpleQueue[Row | None] = SimpleQueue()

    def run(channel: str) -> None:
        deadline = time.monotonic() + retry_timeout.total_seconds()
        try:
            for row in _drain(channels, queues[channel], contents, deadline):
                rows.put(row)
        finally:
            rows.put(None)

    with ThreadPoolExecutor(len(queues), thread_name_prefix="deliver") as threads:
        futures = [threads.submit(run, channel) for channel in queues]
        for _ in queues:
            yield from iter(rows.get, None)
        for future in futures:
            future.result()


def _drain(
    channels: Mapping[str, Channel], queue: list[Pending], contents: MessageContents, deadline: float
) -> Iterator[Row]:
    """Send one channel's messages in order until the deadline; the rest stays queued for a later claim."""
    tries = 0
    while queue and time.monotonic() < deadline:
        message = queue[0] = queue[0]._replace(attempts=queue[0].attempts + 1)
        try:
            tries += 1
            reference = _send(channels, message, contents.get((message.dedup_key, message.channel)))
        except Unavailable as error:
            wait = backoff_seconds(tries, error.retry_after)
            if time.monotonic() + wait >= deadline:
                yield from (queued.failed(str(error)) for queued in queue)
                return
            _log.info("%s: %s; trying again in %.0f s", message.channel, error, wait)
            time.sleep(wait)
            continue
        except Unconfirmed as error:
            message = message._replace(unconfirmed=message.unconfirmed + 1)
            yield message.row("unconfirmed", datetime.now(UTC), str(error))
            if message.unconfirmed < MAX_UNCONFIRMED:
                queue = [message, *queue[1:]]
                continue
        except Refused as error:
            yield message.failed(str(error))
        else:
            yield message.row("sent", datetime.now(UTC), reference=reference)
        tries = 0
        queue = queue[1:]


def _send(channels: Mapping[str, Channel], pending: Pending, message: Message | None) -> str | None:
    if message is None:
        raise Refused("the message cannot be composed; its traceback is in the log")
    if pending.channel not in channels:
        raise Refused(f"unknown channel; expected one of: {', '.join(channels)}")
    channel = channels[pending.channel]
    try:
        if pending.unconfirmed:
            channel.ready()
        failpoint("alerts:sending")
        reference = channel.send(message)
        failpoint("alerts:sent")
    except (Unavailable, Refused, Unconfirmed):
        raise
    except Exception as error:
        # A bug in one channel must not block the others. Its text is hidden, as it may contain a secret.
        frames = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s: %s at\n%s", pending.channel, type(error).__name__, frames)
        raise Refused(f"unexpected {type(error).__name__}; its traceback is in the log") from None
    return reference


def backoff_seconds(attempt: int, retry_after: float = 0) -> float:
    """Return the seconds to wait after a failure: 1, 2, 4, … up to 15, but at least `retry_after`."""
    return max(min(2.0 ** (attempt - 1), 15.0), retry_after)
