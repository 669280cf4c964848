"""Watching the stock: from what is on the shelves to alerts and the messages that tell of them, in one commit."""

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from deltalake import DeltaTable

from shopnow.alerts import channels, journal, rules, shelves
from shopnow.alerts.engine import Alert, Observation, State, changes
from shopnow.alerts.outbox import LEASE
from shopnow.broker.client import Conf
from shopnow.killpoints import reach
from shopnow.kpis import STOCK_POSITION

STOCK = STOCK_POSITION.name

_log = logging.getLogger(__name__)


class Evaluation(TypedDict):
    """What a look at the stock found."""

    products: int
    firing: int
    """Alerts that began, or came back, with this look."""
    resolved: int
    dedup_key: str | None
    """The message queued on every channel; none when there is nothing new to say."""
    proposed: list[dict[str, Any]]
    """What to restock: of each alert that began to fire its product, rule, fingerprint and the message that tells of it."""


def evaluate(
    lake: str,
    owner: str,
    now: datetime | None = None,
    rule_set: Mapping[str, rules.Rule] | None = None,
    conf: Conf | None = None,
) -> Evaluation:
    """Look at the stock and commit what changed, alerts and the messages about them together.

    Looking again at the same stock changes nothing; of two looks at once, one commits and the other finds nothing new.

    Args:
        lake: the lake's address.
        owner: who is to send the messages, such as a run id; the same when the run is tried again.
        now: the time written into the rows; defaults to the clock's.
        rule_set: the rules; defaults to those of `rules.toml`.
        conf: how to reach Kafka; without it the stock is that of the lake alone.

    Raises:
        UserError: the rules are wrong.
    """
    rule_set = rules.load() if rule_set is None else rule_set
    while True:
        try:
            return _evaluate(lake, owner, now or datetime.now(UTC), rule_set, conf)
        except journal.Raced:
            _log.info("another run looked at the stock at the same time and was faster; looking again")


def _evaluate(lake: str, owner: str, now: datetime, rule_set: Mapping[str, rules.Rule], conf: Conf | None) -> Evaluation:
    # The journal first: whoever commits newer stock than ours after this line makes our commit fail.
    table = journal.open_journal(lake)
    observations = [Observation(*shelf) for shelf in shelves.current(conf, lake)]
    found = changes(rule_set, journal.states(journal.rows(table, "alert")), observations)
    news = [change.alert for change in found if change.announced]
    key = _dedup_key(table) if news else None
    if found:
        sequence = journal.next_sequence(table)
        alerts = [journal.alert_row(change, sequence, now, key or "", None) for change in found]
        queued = {"kind": "message", "state": "queued", "sequence": sequence, "at": now, "dedup_key": key}
        queued |= {"owner": owner, "held_until": now + LEASE}
        journal.decide(table, alerts + [{**queued, "channel": name} for name in channels.default() if news])
        reach("alerts:queued")
    evaluation = Evaluation(
        products=len(observations),
        firing=sum(alert.state == State.FIRING for alert in news),
        resolved=sum(alert.state == State.RESOLVED for alert in news),
        dedup_key=key,
        proposed=_proposed(news, key),
    )
    _log.info("%(products)d products: %(firing)d alerts firing, %(resolved)d resolved since the last look", evaluation)
    return evaluation


def _proposed(news: list[Alert], key: str | None) -> list[dict[str, Any]]:
    return [
        {
            "product_id": alert.product_id,
            "product_name": alert.product_name,
            "quantity": alert.quantity,
            "rule": alert.rule,
            "fingerprint": alert.fingerprint,
            "dedup_key": key,
            "suggested": None,
        }
        for alert in news
        if alert.state == State.FIRING
    ]


def _dedup_key(table: DeltaTable) -> str:
    """One key for the decision: unique over lakes, and the same for whoever works it out."""
    return str(uuid.uuid5(uuid.UUID(table.metadata().id), str(journal.next_sequence(table))))
