"""Evaluate all rules: from the data to alerts and the messages about them, in one commit."""

import logging
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypedDict

from deltalake import DeltaTable

from shopnow.alerts import alert_log, collect, invalid_records, metrics, rules
from shopnow.alerts.engine import compute_changes
from shopnow.alerts.model import Change, Observation, State
from shopnow.alerts.outbox import LEASE
from shopnow.broker.client import Conf
from shopnow.failpoints import failpoint
from shopnow.kpis import STOCK_POSITION
from shopnow.lake.delta.conflicts import CommitConflict, retry_on_conflict
from shopnow.lake.delta.tables import Table

STOCK = STOCK_POSITION.name

_log = logging.getLogger(__name__)


class EvaluationResult(TypedDict):
    """Result of an evaluation."""

    products: int
    """Products whose stock was evaluated."""
    firing: int
    """Alerts announced as firing: new firings, and those whose silence has ended."""
    resolved: int
    """Alerts announced as resolved."""
    repeated: int
    """Alerts with a reminder, because nobody has acknowledged them."""
    dedup_key: str | None
    """The message queued on the channels; None if no change is announced."""
    on_hand: dict[str, int]
    """Pieces in stock of the products that have an active alert, by product id."""
    failures: list[str]
    """What could not be evaluated, with the reason; all other rules were."""


def evaluate(
    lake: str,
    owner: str,
    now: datetime | None = None,
    rule_set: Mapping[str, rules.Rule] | None = None,
    conf: Conf | None = None,
    quarantine_limit: float = invalid_records.DEFAULT_LIMIT,
) -> EvaluationResult:
    """Evaluate the rules and commit the changed alerts together with the messages about them.

    Idempotent: evaluating the same data again changes nothing until a reminder is due. Of two concurrent
    evaluations one commits, and the other retries and finds nothing new.

    Args:
        lake: the lake's address.
        owner: sender of the messages, such as a run id; the same on every retry of the run.
        now: time written into the rows; the current time by default.
        rule_set: the rules; those of `rules.toml` by default.
        conf: confluent_kafka configuration; with it, stock levels include the topic's records that the lake
            lacks.
        quarantine_limit: share of invalid records from which on they are an alert.

    Raises:
        UserError: the rules are invalid.
    """
    rule_set = rules.load() if rule_set is None else rule_set
    return retry_on_conflict(
        lambda: _evaluate(lake, owner, now or datetime.now(UTC), rule_set, conf, quarantine_limit),
        before_retry=lambda: _log.info(
            "another run committed alerts first; evaluating again on its snapshot"
        ),
    )


def _evaluate(
    lake: str,
    owner: str,
    now: datetime,
    rule_set: Mapping[str, rules.Rule],
    conf: Conf | None,
    quarantine_limit: float,
) -> EvaluationResult:
    # Open the alert log before reading data, so that a decision based on newer data makes this commit fail.
    table = alert_log.open_table(lake) if Table(lake, alert_log.TABLE).exists() else None
    observations, failures = collect.observe(lake, rule_set, now, conf, quarantine_limit)
    if table is None:
        if not observations:
            _log.info("no data to evaluate yet; the first run of compute_kpis creates it")
            return _result([], [], None, {}, failures)
        table = alert_log.open_table(lake)
        if table.version():
            raise CommitConflict  # another run created it since, and may have committed a decision
    rows = alert_log.read_rows(table, "alert", "silence", "message")
    statuses, silences = alert_log.latest_statuses(rows), alert_log.silences(rows)
    changes = compute_changes(rule_set, statuses, observations, now, silences)
    announced = [change for change in changes if change.announced]
    key = _dedup_key(table) if announced else None
    if changes:
        sequence = alert_log.next_sequence(table)
        alert_rows = [alert_log.row_of_change(change, sequence, now, key) for change in changes]
        message = {"kind": "message", "state": "queued", "sequence": sequence, "at": now, "dedup_key": key}
        message |= {"held_by": owner, "held_until": now + LEASE}
        channels = dict.fromkeys(channel for change in announced for channel in change.alert.channels)
        decision = alert_rows + [{**message, "channel": channel} for channel in channels]
        alert_log.commit_decision(table, decision)
        rows += decision
        failpoint("alerts:queued")
    evaluation = _result(observations, announced, key, _on_hand(rows, observations), failures)
    _log.info(
        "evaluated %(products)d products: %(firing)d firing, %(resolved)d resolved, %(repeated)d repeated",
        evaluation,
    )
    return evaluation


def _result(
    observations: list[Observation],
    announced: list[Change],
    key: str | None,
    on_hand: dict[str, int],
    failures: list[str],
) -> EvaluationResult:
    reminders = [change for change in announced if change.repeated and change.alert.thread]
    products = {
        observation.subject
        for observation in observations
        if metrics.METRICS[observation.metric].about == "product"
    }
    return EvaluationResult(
        products=len(products),
        firing=sum(change.alert.state == State.FIRING for change in announced) - len(reminders),
        resolved=sum(change.alert.state == State.RESOLVED for change in announced),
        repeated=len(reminders),
        dedup_key=key,
        on_hand=on_hand,
        failures=failures,
    )


def _on_hand(rows: Iterable[alert_log.Row], observations: Iterable[Observation]) -> dict[str, int]:
    """Return the pieces in stock of the products that have an active alert, by product id."""
    alerts = [status.alert for status in alert_log.latest_statuses(rows).values()]
    products = {alert.subject for alert in alerts if alert.about == "product" and alert.is_active}
    return {
        observation.subject: int(observation.value)
        for observation in observations
        if observation.metric == "stock_quantity" and observation.subject in products
    }


def _dedup_key(table: DeltaTable) -> str:
    """Return the key of the decision's message: unique over all lakes and the same on every computation."""
    return str(uuid.uuid5(uuid.UUID(table.metadata().id), str(alert_log.next_sequence(table))))
