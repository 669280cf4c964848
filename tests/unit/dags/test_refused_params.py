"""Params that a task refuses: it fails without a retry, and its message names the param."""

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

from shopnow.settings import ROOT
from shopnow.traffic import dag_params


@pytest.mark.parametrize(
    ("dag_id", "task_id", "params", "message"),
    [
        (
            "replay_quarantine",
            "replay",
            {"corrections": [{"topic": "\0"}], "why": "storm", "dry_run": False},
            "corrections: nothing was changed: line 1: ",
        ),
        (
            "generate_traffic",
            "simulate",
            {**{name: field["default"] for name, field in dag_params.form_fields().items()}, "start": "noon"},
            "start 'noon': give a time",
        ),
    ],
)
def test_refused_params_fail_without_retry(monkeypatch, dag_id, task_id, params, message):
    dags = DagBag(dag_folder=str(ROOT / "dags" / f"{dag_id}.py")).dags
    function = dags[dag_id].get_task(task_id).python_callable
    for name, value in {
        "get_current_context": lambda: {"params": params, "run_id": "manual__1"},
        "lake_uri": lambda: "",
        "kafka_conf": dict,
    }.items():
        monkeypatch.setitem(function.__globals__, name, value)
    with pytest.raises(AirflowFailException, match=message):
        function()


def test_numbers_have_limits():
    """Airflow's messages to tasks hold numbers of 64 bits; a longer one ends the task without a log."""
    schemas = {
        f"{dag.dag_id}.{name}": dag.params.get_param(name).schema
        for dag in DagBag(dag_folder=str(ROOT / "dags")).dags.values()
        for name in dag.params
    }
    numbers = {
        name: schema
        for name, schema in schemas.items()
        if "integer" in schema.get("type", ()) or "number" in schema.get("type", ())
    }
    assert "approve_restock.on_hand" in numbers
    assert [name for name, schema in numbers.items() if not schema.get("maximum", 2**63) < 2**63] == []
