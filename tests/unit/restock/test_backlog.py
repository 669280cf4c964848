"""The most urgent proposals are opened, a few at a time, and those that do not hold any more are ended."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopnow import airflow_internals
from shopnow.alerts import alert_log
from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.alerts.proposals import MAX_OPEN, Proposal, ProposalState, read_proposals
from shopnow.lake.delta.tables import Table
from shopnow.restock import backlog
from shopnow.restock.proposals import run_id

SINCE = datetime(2026, 7, 1, tzinfo=UTC)


def proposal(name: str, severity: str = "critical", hours: int = 0, **fields) -> Proposal:
    since = SINCE + timedelta(hours=hours)
    return Proposal(f"stock_out:{name}", "key", "stock_out", severity, name, name, since)._replace(**fields)


def names(proposals) -> list[str]:
    return [proposal.product_id for proposal in proposals]


def test_most_money_at_risk_is_opened_first_then_the_most_severe_and_oldest():
    waiting = [
        *(proposal(f"cheap-{number}", hours=-1) for number in range(MAX_OPEN)),
        proposal("newer", hours=2),
        proposal("older", hours=1),
        proposal("low", "warning", hours=-9),
        proposal("dear"),
    ]
    at_risk = {"dear": 900.0, **{f"cheap-{number}": 0.0 for number in range(MAX_OPEN)}}
    plan = backlog.plan(waiting, {}, at_risk)
    assert names(plan.opened) == ["dear", *(f"cheap-{number}" for number in range(MAX_OPEN - 1))]
    assert plan.waiting == len(waiting) - MAX_OPEN
    plan = backlog.plan(waiting[MAX_OPEN:], {}, at_risk)
    assert names(plan.opened) == ["dear", "older", "newer", "low"][:MAX_OPEN]


@pytest.mark.parametrize(
    ("holds", "states", "closed", "action"),
    [
        (True, {"run": "awaiting_input"}, None, None),
        (True, {"run": None}, None, None),
        (True, {"run": "success"}, "answered", None),
        (True, {"run": "failed"}, "its run is failed", None),
        (True, {}, None, "missing"),
        (False, {"run": "awaiting_input"}, None, "withdrawn"),
        (False, {"run": "running"}, None, None),
        (False, {"run": "success"}, "the alert is resolved", None),
        (False, {}, "the alert is resolved", None),
    ],
)
def test_an_open_proposal_follows_its_run(holds, states, closed, action):
    mug = proposal("mug", holds=holds, state=ProposalState.OPEN)
    plan = backlog.plan(
        [mug, proposal("bowl")],
        {run_id(mug.fingerprint, mug.dedup_key): state for state in states.values()},
        {},
    )
    assert [reason for _, reason in plan.closed] == ([closed] if closed else [])
    assert {name for name in ("missing", "withdrawn") if getattr(plan, name)} == (
        {action} if action else set()
    )
    assert plan.still_open == (0 if closed else 1)
    assert names(plan.opened) == ["bowl"]


@pytest.fixture
def lake(tmp_path) -> str:
    return tmp_path.as_uri()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """State of the asking task of each run, by run id; what the fake Airflow has."""
    runs: dict[str, str] = {}

    def trigger(dag_id: str, run: str, conf: dict) -> bool:
        assert dag_id == "approve_restock"
        is_new = run not in runs
        runs.setdefault(run, "awaiting_input")
        return is_new

    def restart(dag_id: str, run: str) -> None:
        assert runs[run] == "awaiting_input"
        runs[run] = "success"

    monkeypatch.setattr(airflow_internals, "trigger_run_from_task", trigger)
    monkeypatch.setattr(airflow_internals, "restart_run_from_task", restart)
    monkeypatch.setattr(
        airflow_internals,
        "task_states_from_task",
        lambda dag_id, task_id, ids: {run: runs[run] for run in ids if run in runs},
    )
    return runs


@pytest.fixture
def look(lake: str) -> Callable[..., backlog.Advance]:
    """Run watch_stock's two steps that concern proposals, with these quantities in stock."""

    def look(quantities: dict[str, int], now: datetime | None = None) -> backlog.Advance:
        position = [
            {
                "product_id": name,
                "product_name": name,
                "quantity": quantity,
                "last_event_time": SINCE,
                "last_offset": 0,
            }
            for name, quantity in quantities.items()
        ]
        write_deltalake(Table(lake, STOCK).uri, pa.Table.from_pylist(position), mode="overwrite")
        return backlog.advance(lake, evaluate(lake, "run", now)["on_hand"])

    return look


def counts(result: backlog.Advance) -> tuple[int, int, int, int]:
    assert result["failures"] == []
    return result["opened"], result["closed"], result["open"], result["waiting"]


def test_a_lake_without_alerts_has_no_proposals(lake):
    assert counts(backlog.advance(lake, {})) == (0, 0, 0, 0)


def test_the_number_of_open_runs_is_bounded_and_each_answer_opens_the_next(look, runs):
    sold_out = {f"p-{number:02}": 0 for number in range(MAX_OPEN + 2)}
    assert counts(look(sold_out)) == (MAX_OPEN, 0, MAX_OPEN, 2)
    assert counts(look(sold_out)) == (0, 0, MAX_OPEN, 2)
    assert len(runs) == MAX_OPEN
    runs[next(iter(runs))] = "success"
    assert counts(look(sold_out)) == (1, 1, MAX_OPEN, 1)
    runs |= dict.fromkeys(runs, "success")
    assert counts(look(sold_out)) == (1, MAX_OPEN, 1, 0)
    assert len(runs) == len(sold_out)
    runs |= dict.fromkeys(runs, "success")
    # Once per alert: it still fires, and was answered.
    assert counts(look(sold_out)) == (0, 1, 0, 0)
    assert counts(look(sold_out)) == (0, 0, 0, 0)
    assert len(runs) == len(sold_out)


def test_what_does_not_hold_any_more_ends_by_itself_and_makes_room(lake, look, runs):
    products = [f"p-{number:02}" for number in range(MAX_OPEN + 2)]
    look(dict.fromkeys(products, 0))
    runs["manual__2026"] = "awaiting_input"
    last = products[-1]
    [run] = [run for run in runs if "p-00" in run]
    assert backlog.withdrawal_reason(lake, run) is None
    look({**dict.fromkeys(products, 0), "p-00": 80, last: 80})
    assert runs[run] == "success"
    reason = backlog.withdrawal_reason(lake, run)
    assert reason
    assert "Back in stock, 80 left" in reason
    assert backlog.withdrawal_reason(lake, "manual__2026") is None
    # The one that waited, and is back in stock, is never opened.
    assert counts(look({**dict.fromkeys(products, 0), "p-00": 80, last: 80})) == (1, 1, MAX_OPEN, 0)
    assert not any(last in run for run in runs)
    assert runs["manual__2026"] == "awaiting_input"
    rows = alert_log.read_rows(alert_log.open_table(lake), "proposal")
    assert [row["reason"] for row in rows if row["state"] == "closed"] == ["the alert is resolved"]
    # It fires again: a new proposal, with a run of its own.
    look(dict.fromkeys(products, 0))
    proposed = read_proposals(alert_log.read_rows(alert_log.open_table(lake), "alert", "proposal"))
    assert sum(proposal.product_id == "p-00" for proposal in proposed) == 1
    assert run not in [run_id(each.fingerprint, each.dedup_key) for each in proposed]


def test_a_run_that_airflow_refuses_is_reported_and_started_by_the_next_call(look, runs, monkeypatch):
    trigger = airflow_internals.trigger_run_from_task

    def refuse(dag_id: str, run: str, conf: dict) -> bool:
        raise RuntimeError("Airflow refuses")

    monkeypatch.setattr(airflow_internals, "trigger_run_from_task", refuse)
    result = look({"mug": 0})
    assert result["failures"] == ["proposal for 'mug': RuntimeError"]
    monkeypatch.setattr(airflow_internals, "trigger_run_from_task", trigger)
    assert counts(look({"mug": 0})) == (0, 0, 1, 0)
    assert list(runs.values()) == ["awaiting_input"]


def test_a_damaged_kpi_table_costs_only_the_order(lake, look, runs, monkeypatch):
    def fail(*_: object) -> dict[str, float]:
        raise OSError("a file is damaged")

    monkeypatch.setattr(backlog.money_at_risk, "cents_at_risk", fail)
    assert counts(look({"mug": 0})) == (1, 0, 1, 0)
