"""The task of `approve_restock` that asks a person, called without Airflow."""

import sys
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import TaskAwaitingInput, TaskDeferred

from shopnow.settings import ROOT

PARAMS = {"product_id": "mug", "product_name": "Mug", "on_hand": 2, "rule": "low_stock", "quantity": 40}


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Return a function that runs the task, given the reason for which its proposal is withdrawn."""
    dag = DagBag(dag_folder=str(ROOT / "dags" / "approve_restock.py")).dags["approve_restock"]
    task = dag.get_task("approve")
    module = sys.modules[type(task).__module__]

    def wait(self, context) -> None:
        raise TaskAwaitingInput(method_name="execute_complete")

    monkeypatch.setattr(HITLOperator, "execute", wait)
    monkeypatch.setattr(module, "lake_uri", lambda: tmp_path.as_uri())

    def ask(reason: str | None) -> None:
        monkeypatch.setattr(module.backlog, "withdrawal_reason", lambda lake, run_id: reason)
        ti = SimpleNamespace(id=uuid.uuid4(), xcom_push=lambda key, value: None)
        task.execute({"params": PARAMS, "run_id": "run", "ti": ti})

    return ask


def test_a_person_is_asked_while_the_alert_is_active(ask):
    with pytest.raises(TaskAwaitingInput):
        ask(None)


def test_a_proposal_whose_alert_is_resolved_is_rejected_at_once_with_the_reason(ask):
    with pytest.raises(TaskDeferred) as deferred:
        ask("withdrawn, as the alert is resolved: Back in stock, 80 left" + "." * 1000)
    trigger = deferred.value.trigger
    assert (deferred.value.method_name, trigger.defaults) == ("execute_complete", ["Reject"])
    assert trigger.timeout_datetime <= datetime.now(UTC)
    answer = trigger.params.dump()
    assert (answer["pieces"], answer["delivered_in_days"]) == (40, 0.0)
    assert answer["reason"].startswith("withdrawn, as the alert is resolved: Back in stock, 80 left")
    assert len(answer["reason"]) == 500
