"""Looking at everything rules speak of: from the data to alerts and the messages that tell of them, in one commit."""

import logging
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, TypedDict

from deltalake import DeltaTable

from shopnow.alerts import alert_log, collect, metrics, rules
from shopnow.alerts.engine import Change, Observation, State, changes
from shopnow.alerts.outbox import LEASE
from shopnow.broker.client import Conf
from shopnow.failpoints import failpoint
from shopnow.kpis import STOCK_POSITION
from shopnow.lake.delta.tables import Table

STOCK = STOCK_POSITION.name

_log = logging.getLogger(__name__)


class Evaluation(TypedDict):
    """What a look found."""

    products: int
    """Whose stock was looked at."""
    firing: int
    """Alerts that are told to fire: those that began, or came back, with this look, or had been silenced until then."""
    resolved: int
    """Alerts that are told to be over."""
    repeated: int
    """Alerts told again as nobody has acknowledged them."""
    dedup_key: str | None
    """The message queued on the channels; none when there is nothing new to say."""
    proposed: list[dict[str, Any]]
    """What to restock: of each stock alert this owner is the first to tell of, product_id, product_name, quantity on hand, rule,
    fingerprint and dedup_key. The same when the owner is tried again."""


def evaluate(
    lake: str,
    owner: str,
    now: datetime | None = None,
    rule_set: Mapping[str, rules.Rule] | None = None,
    conf: Conf | None = None,
) -> Evaluation:
    """Look at the data and commit what changed, alerts and the messages about them together.

    Looking again at the same data changes nothing, until an alert is to be repeated; of two looks at once, one commits and
    the other finds nothing new.

    Args:
        lake: the lake's address.
        owner: who is to send the messages, such as a run id; the same when the run is tried again.
        now: the time written into the rows; defaults to the clock's.
        rule_set: the rules; defaults to those of `rules.toml`.
        conf: how to reach Kafka; with it, the stock is that of the topic's end, not only that of the lake.

    Raises:
        UserError: the rules are wrong.
    """
    rule_set = rules.load() if rule_set is None else rule_set
    while True:
        try:
            return _evaluate(lake, owner, now or datetime.now(UTC), rule_set, conf)
        except alert_log.ConcurrentWrite:
            _log.info("another run looked at the same time and was faster; looking again")


def _evaluate(
    lake: str, owner: str, now: datetime, rule_set: Mapping[str, rules.Rule], conf: Conf | None
) -> Evaluation:
    # The journal first: whoever commits what is newer than we see after this line makes our commit fail.
    table = alert_log.open_journal(lake) if Table(lake, alert_log.TABLE).exists() else None
    observations = collect.look(lake, rule_set, now, conf)
    if table is None:
        if not observations:
            _log.info("there is nothing to watch yet: it comes with the first run of compute_kpis")
            return _evaluation([], [], None, [])
        table = alert_log.open_journal(lake)
        if table.version():
            raise alert_log.ConcurrentWrite  # somebody made it, and may have decided, since we looked
    known = alert_log.rows(table, "alert", "silence", "message")
    found = changes(rule_set, alert_log.standings(known), observations, now, alert_log.silences(known))
    news = [change for change in found if change.announced]
    key = _dedup_key(table) if news else None
    if found:
        sequence = alert_log.next_sequence(table)
        alerts = [alert_log.alert_row(change, sequence, now, key) for change in found]
        queued = {"kind": "message", "state": "queued", "sequence": sequence, "at": now, "dedup_key": key}
        queued |= {"held_by": owner, "held_until": now + LEASE}
        to = dict.fromkeys(channel for change in news for channel in change.alert.channels)
        decided = alerts + [{**queued, "channel": channel} for channel in to]
        alert_log.decide(table, decided)
        known += decided
        failpoint("alerts:queued")
    evaluation = _evaluation(observations, news, key, _proposed(known, owner, observations))
    _log.info(
        "%(products)d products: %(firing)d alerts firing, %(resolved)d resolved since the last look, %(repeated)d told again",
        evaluation,
    )
    return evaluation


def _evaluation(
    observations: list[Observation], news: list[Change], key: str | None, proposed: list[dict[str, Any]]
) -> Evaluation:
    reminded = [change for change in news if change.repeated and change.alert.thread]
    return Evaluation(
        products=len(
            {seen.subject for seen in observations if metrics.FIGURES[seen.figure].about == "product"}
        ),
        firing=sum(change.alert.state == State.FIRING for change in news) - len(reminded),
        resolved=sum(change.alert.state == State.RESOLVED for change in news),
        repeated=len(reminded),
        dedup_key=key,
        proposed=proposed,
    )


def _proposed(
    rows: Iterable[alert_log.Row], owner: str, observations: list[Observation]
) -> list[dict[str, Any]]:
    """The stock alerts first told of by what this owner has queued, now or before it was tried again.

    Of a product that goes from low to sold out only the first: whoever is asked about it decides on the whole.
    """
    rows = list(rows)
    keys = {
        row["dedup_key"]
        for row in rows
        if row["kind"] == "message" and row["state"] == "queued" and row["held_by"] == owner
    }
    quantities = {seen.subject: int(seen.value) for seen in observations if seen.figure == "stock_quantity"}
    standing: dict[str, set[str]] = {}
    found = []
    of_products = (row for row in rows if row["kind"] == "alert" and row["about"] == "product")
    for _, decided in groupby(of_products, key=lambda row: row["sequence"]):
        alerts = list(decided)
        found += [
            {
                "product_id": row["subject"],
                "product_name": row["subject_name"],
                "quantity": quantities.get(row["subject"], 0),
                "rule": row["rule"],
                "fingerprint": row["fingerprint"],
                "dedup_key": row["dedup_key"],
            }
            for row in alerts
            if row["dedup_key"] in keys
            and row["thread"] == row["dedup_key"]
            and not standing.get(row["subject"])
        ]
        for row in alerts:
            of_product = standing.setdefault(row["subject"], set())
            (of_product.discard if row["state"] == State.RESOLVED else of_product.add)(row["fingerprint"])
    return found


def _dedup_key(table: DeltaTable) -> str:
    """One key for the decision: unique over lakes, and the same for whoever works it out."""
    return str(uuid.uuid5(uuid.UUID(table.metadata().id), str(alert_log.next_sequence(table))))
