"""The backlog of restock proposals: opens the most urgent ones, and ends those that do not hold any more.

A proposal waits as data (`shopnow.alerts.proposals`); only a few are open at a time, each as a run of
`approve_restock`. A plan is made against one snapshot of the alert log and committed before any run starts;
a run that is missing is started by the next evaluation, under the same id.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, TypedDict

from shopnow import airflow_internals
from shopnow.alerts import alert_log, money_at_risk
from shopnow.alerts.proposals import ANSWERED, MAX_OPEN, Proposal, ProposalState, read_proposals
from shopnow.failpoints import failpoint
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.delta.tables import Table
from shopnow.restock.proposals import dag_params, run_id

DAG_ID, TASK_ID = "approve_restock", "approve"
"""The DAG whose runs are the open proposals, and its task that asks a person."""

ENDED_STATES = {"success", "failed", "skipped", "upstream_failed", "removed"}
"""States in which the task asks nobody any more."""
_SEVERITIES = ("critical", "warning", "info")

_log = logging.getLogger(__name__)


class Advance(TypedDict):
    """What a call of `advance` did, and how many proposals there are."""

    opened: int
    closed: int
    open: int
    waiting: int
    failures: list[str]
    """Runs that could not be started or ended, with the reason; the next call tries again."""


class Plan(NamedTuple):
    """What to do with the proposals."""

    opened: list[Proposal]
    closed: list[tuple[Proposal, str]]
    """With the reason."""
    missing: list[Proposal]
    """Opened before, but without a run: the process that opened them was killed."""
    withdrawn: list[Proposal]
    """Open, and still asking a person although they do not hold any more."""
    still_open: int
    waiting: int


def advance(lake: str, on_hand: Mapping[str, int]) -> Advance:
    """Close the proposals whose runs have ended, and open the most urgent ones of those that wait.

    Idempotent: killed anywhere and called again, it starts one run for each proposal.

    Args:
        lake: the lake's address.
        on_hand: pieces in stock by product id.
    """
    if not Table(lake, alert_log.TABLE).exists():
        return Advance(opened=0, closed=0, open=0, waiting=0, failures=[])
    plan = retry_on_conflict(lambda: _commit_plan(lake, on_hand))
    failpoint("proposals:committed")
    failures = []
    for proposal in (*plan.missing, *plan.opened):
        params = dag_params(proposal, on_hand.get(proposal.product_id, 0))
        try:
            airflow_internals.trigger_run_from_task(DAG_ID, _run_id(proposal), params)
        except Exception as error:
            failures.append(_failure(proposal, "is not started", error))
        failpoint("proposals:started")
    for proposal in plan.withdrawn:
        try:
            airflow_internals.restart_run_from_task(DAG_ID, _run_id(proposal))
        except Exception as error:
            failures.append(_failure(proposal, "is not ended", error))
    return Advance(
        opened=len(plan.opened),
        closed=len(plan.closed),
        open=plan.still_open + len(plan.opened),
        waiting=plan.waiting,
        failures=failures,
    )


def plan(
    proposals: Iterable[Proposal], task_states: Mapping[str, str | None], cents_at_risk: Mapping[str, float]
) -> Plan:
    """Plan what to do, from the proposals that hold or are open.

    Args:
        task_states: state of the asking task by run id, without the runs that do not exist.
        cents_at_risk: by product id; a product that is not in it comes last.
    """
    result = Plan([], [], [], [], 0, 0)
    waiting = []
    still_open = 0
    for proposal in proposals:
        if proposal.state == ProposalState.WAITING:
            waiting.append(proposal)
            continue
        if proposal.state == ProposalState.CLOSED:
            continue
        has_run, state = _run_id(proposal) in task_states, task_states.get(_run_id(proposal))
        if reason := _closing_reason(proposal, has_run, state):
            result.closed.append((proposal, reason))
            continue
        still_open += 1
        if not has_run:
            result.missing.append(proposal)
        elif not proposal.holds and state == "awaiting_input":
            result.withdrawn.append(proposal)
    waiting.sort(
        key=lambda proposal: (
            -cents_at_risk.get(proposal.product_id, 0),
            _SEVERITIES.index(proposal.severity),
            proposal.since,
            proposal.product_id,
        )
    )
    free = max(MAX_OPEN - still_open, 0)
    result.opened.extend(waiting[:free])
    return result._replace(still_open=still_open, waiting=len(waiting[free:]))


def withdrawal_reason(lake: str, run: str) -> str | None:
    """Return why the proposal of a run does not hold any more; None if it holds, or no alert proposed it."""
    if not Table(lake, alert_log.TABLE).exists():
        return None
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert", "proposal")
    proposal = next((proposal for proposal in read_proposals(rows) if _run_id(proposal) == run), None)
    if proposal is None or proposal.holds:
        return None
    newest = next(
        row for row in reversed(rows) if row["kind"] == "alert" and row["subject"] == proposal.product_id
    )
    return f"withdrawn, as the alert is resolved: {newest['title']}, {newest['facts']}"


def _commit_plan(lake: str, on_hand: Mapping[str, int]) -> Plan:
    table, now = alert_log.open_table(lake), datetime.now(UTC)
    proposals = read_proposals(alert_log.read_rows(table, "alert", "proposal"))
    open_ids = [_run_id(proposal) for proposal in proposals if proposal.state == ProposalState.OPEN]
    task_states = airflow_internals.task_states_from_task(DAG_ID, TASK_ID, open_ids) if open_ids else {}
    is_waiting = any(proposal.state == ProposalState.WAITING for proposal in proposals)
    decided = plan(proposals, task_states, _cents_at_risk(lake, on_hand) if is_waiting else {})
    sequence = alert_log.next_sequence(table)
    rows = [proposal.row(ProposalState.OPEN, sequence, now) for proposal in decided.opened]
    rows += [proposal.row(ProposalState.CLOSED, sequence, now, why) for proposal, why in decided.closed]
    if rows:
        alert_log.commit_decision(table, rows)
    return decided


def _cents_at_risk(lake: str, on_hand: Mapping[str, int]) -> dict[str, float]:
    try:
        at_risk = money_at_risk.cents_at_risk(lake, on_hand)
        return {product: money.cents for product, money in at_risk.items()}
    except Exception:  # a damaged KPI table only makes the order of the proposals worse
        _log.exception("the money at risk is unknown: the most severe and oldest alerts come first")
        return {}


def _closing_reason(proposal: Proposal, has_run: bool, state: str | None) -> str | None:
    """Return why an open proposal is closed; None if it stays open."""
    if has_run and state not in ENDED_STATES:
        return None
    if not proposal.holds:
        return "the alert is resolved"
    if not has_run:
        return None
    return ANSWERED if state == "success" else f"its run is {state}"


def _failure(proposal: Proposal, what: str, error: Exception) -> str:
    _log.exception("the proposal for %r %s", proposal.product_id, what)
    return f"proposal for {proposal.product_id!r}: {type(error).__name__}"


def _run_id(proposal: Proposal) -> str:
    return run_id(proposal.fingerprint, proposal.dedup_key)
