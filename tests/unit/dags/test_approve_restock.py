"""The task of `approve_restock` that asks a person, called without Airflow."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import TaskAwaitingInput

from shopnow.settings import ROOT

PARAMS = {"product_id": "mug", "product_name": "Mug", "on_hand": 2, "rule": "low_stock", "quantity": 40}


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Run the task, with the reason for which its proposal is withdrawn; returns its XComs and answers."""
    dag = DagBag(dag_folder=str(ROOT / "dags" / "approve_restock.py")).dags["approve_restock"]
    task = dag.get_task("approve")
    names = type(task)._withdraw.__globals__
    answers: list[tuple[list[str], dict]] = []

    def wait(self, context) -> None:
        raise TaskAwaitingInput(method_name="execute_complete")

    def answer(ti_id, chosen_options, params_input) -> datetime:
        answers.append((chosen_options, params_input))
        return datetime(2026, 7, 1, tzinfo=UTC)

    monkeypatch.setattr(HITLOperator, "execute", wait)
    monkeypatch.setattr(type(task), "skip", lambda self, ti, tasks: None)
    monkeypatch.setitem(names, "lake_uri", lambda: tmp_path.as_uri())
    monkeypatch.setitem(names, "answer_from_task", answer)

    def ask(reason: str | None):
        monkeypatch.setattr(names["backlog"], "withdrawal_reason", lambda lake, run_id: reason)
        ti = SimpleNamespace(id="ti", xcom_push=lambda key, value: None)
        result = task.execute({"params": PARAMS, "run_id": "run", "ti": ti, "task": task})
        return result, answers

    return ask


def test_a_person_is_asked_while_the_alert_is_active(ask):
    with pytest.raises(TaskAwaitingInput):
        ask(None)


def test_a_proposal_whose_alert_is_resolved_is_rejected_with_the_reason(ask):
    result, answers = ask("withdrawn, as the alert is resolved: Back in stock, 80 left" + "." * 1000)
    [(options, params)] = answers
    assert options == result["chosen_options"] == ["Reject"]
    assert (params["pieces"], params["delivered_in_days"]) == (40, 0.0)
    assert params["reason"].startswith("withdrawn, as the alert is resolved: Back in stock, 80 left")
    assert len(params["reason"]) == 500
