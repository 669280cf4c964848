"""The DAG files as Airflow loads them: complete, documented, wired as intended, and without I/O at import."""

from datetime import timedelta
from pkgutil import resolve_name

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import ParamValidationError

from shopnow.dag_common import AUDIT, KPIS, PROPOSALS, RAW, TRAFFIC, Tag, lower_priority
from shopnow.settings import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))
INVENTORY = {
    "acknowledge_alert",
    "approve_restock",
    "audit_lake",
    "compact_lake",
    "compute_kpis",
    "forget_customer",
    "generate_traffic",
    "land_events",
    "management_report",
    "purge_history",
    "rebuild_day",
    "repair_lake",
    "receive_restock",
    "replay_quarantine",
    "send_events",
    "watch_stock",
}


@pytest.fixture(scope="module")
def dagbag() -> DagBag:
    return DagBag(dag_folder=str(ROOT / "dags"))


def test_every_file_loads(dagbag):
    assert dagbag.import_errors == {}


def test_inventory_matches_one_file_per_dag(dagbag):
    assert set(dagbag.dags) == INVENTORY == {file.stem for file in FILES}


def test_spark_tasks_run_at_lower_priority(dagbag):
    spark = [
        task for dag in dagbag.dags.values() for task in dag.tasks if isinstance(task, SparkSubmitOperator)
    ]
    assert {task.dag_id for task in spark} == {"compute_kpis", "compact_lake", "rebuild_day", "repair_lake"}
    assert {task._pre_execute_hook for task in spark} == {lower_priority}


@pytest.mark.parametrize("dag_id", sorted(INVENTORY))
def test_has_runbook_description_and_tags(dagbag, dag_id):
    dag = dagbag.dags[dag_id]
    assert "**Runs**" in dag.doc_md
    assert "**When it fails.**" in dag.doc_md
    assert dag.description
    assert set(dag.tags) <= set(Tag)
    assert Tag.SHOPNOW in dag.tags
    # A restock run waits for a person; an alert run may wait for a channel that is down.
    assert dag.max_active_runs == {"approve_restock": 1000, "watch_stock": 3}.get(dag_id, 1)
    assert not dag.catchup


@pytest.mark.parametrize("dag_id", sorted(INVENTORY))
def test_tasks_have_owner_retries_and_timeout(dagbag, dag_id):
    for task in dagbag.dags[dag_id].tasks:
        assert task.owner == "shopnow"
        assert task.retries >= 1
        # Sensors and approvals have timeouts of their own and wait without a worker slot.
        assert task.execution_timeout or getattr(task, "timeout", None) or task.response_timeout


def test_dags_are_chained_by_assets(dagbag):
    def outlets(dag_id, task_id):
        return {asset.name for asset in dagbag.dags[dag_id].get_task(task_id).outlets}

    def triggers(dag_id):
        condition = dagbag.dags[dag_id].timetable.asset_condition
        return {asset.name for asset in getattr(condition, "objects", [condition])}

    assert outlets("generate_traffic", "simulate") == {TRAFFIC.name}
    assert outlets("send_events", "send") == {TRAFFIC.name}
    assert outlets("receive_restock", "receive") == {TRAFFIC.name}
    assert triggers("land_events") == {TRAFFIC.name, "records"}
    assert outlets("land_events", "land") == {"landed"}
    assert outlets("land_events", "publish") == {RAW.name}
    assert outlets("replay_quarantine", "publish") == {RAW.name}
    assert triggers("compute_kpis") == {RAW.name}
    assert outlets("compute_kpis", "compute") == {KPIS.name}
    assert outlets("audit_lake", "audit") == {AUDIT.name}
    assert outlets("approve_restock", "approve") == {PROPOSALS.name}
    assert triggers("watch_stock") == {"stock", KPIS.name, AUDIT.name, PROPOSALS.name}


@pytest.mark.parametrize(
    ("dag_id", "asset"),
    [("watch_stock", "stock"), ("receive_restock", "delivery_notes"), ("land_events", "records")],
)
def test_an_asset_watcher_has_a_trigger_that_airflow_can_load(dagbag, dag_id, asset):
    condition = dagbag.dags[dag_id].timetable.asset_condition
    [watched] = [found for found in getattr(condition, "objects", [condition]) if found.name == asset]
    [watcher] = watched.watchers
    classpath, kwargs = watcher.trigger.serialize()
    deserialized = resolve_name(classpath)(**kwargs)
    assert deserialized.serialize() == (classpath, kwargs)
    # Each run wakes for one thing; every task costs seconds.
    assert len(dagbag.dags[dag_id].roots) == 1


def test_no_dag_waits_in_a_run_of_its_own_but_for_a_person(dagbag):
    waiting = {
        (task.dag_id, task.task_id)
        for dag in dagbag.dags.values()
        for task in dag.tasks
        if getattr(task, "response_timeout", None)
        or getattr(task, "timeout", 0) > timedelta(hours=1).total_seconds()
    }
    assert waiting == {("approve_restock", "approve")}


def test_approve_restock_orders_after_approval(dagbag):
    tasks = dagbag.dags["approve_restock"].task_dict
    assert {name: task.upstream_task_ids for name, task in tasks.items()} == {
        "approve": set(),
        "supply": {"approve"},
    }
    approve = tasks["approve"]
    assert approve.response_timeout == timedelta(days=3)
    assert approve.defaults == ["Reject"]
    assert set(approve.params) == {"pieces", "delivered_in_days", "reason"}


@pytest.mark.parametrize(
    ("name", "invalid"),
    [
        *(("sessions", invalid) for invalid in (0, -1, 10_000_001, "many", 1.5)),
        *(("scenario", invalid) for invalid in ("black_friday", "", None)),
        *(("malformed", invalid) for invalid in (-0.1, 0.21, "often", None)),
        *(("hours", invalid) for invalid in (0, 9000, "a week")),
        *(("pace", invalid) for invalid in ("fast", None)),
        *(("start", invalid) for invalid in (True, 20261124)),
        ("clock_skew_seconds", 3601),
        ("seed", 2**63),
    ],
)
def test_traffic_form_rejects_values_out_of_range(dagbag, name, invalid):
    with pytest.raises(ParamValidationError, match=name):
        dagbag.dags["generate_traffic"].params[name] = invalid


@pytest.mark.parametrize(
    ("name", "invalid"), [("action", "ignore"), ("until", 5), ("alert", None), ("reason", "x" * 301)]
)
def test_alert_form_rejects_values_out_of_range(dagbag, name, invalid):
    with pytest.raises(ParamValidationError, match=name):
        dagbag.dags["acknowledge_alert"].params[name] = invalid


def test_traffic_form_has_titles_and_descriptions(dagbag):
    params = dagbag.dags["generate_traffic"].params
    for name in params:
        schema = params.get_param(name).schema
        assert schema["title"], name
        assert schema.get("description_md") or params.get_param(name).description, name
    assert set(params.get_param("scenario").schema["values_display"]) == set(
        params.get_param("scenario").schema["enum"]
    )


@pytest.mark.parametrize("before", ["yesterday", "2026-13-01", 20261124])
def test_compaction_form_rejects_invalid_dates(dagbag, before):
    with pytest.raises(ParamValidationError, match="before"):
        dagbag.dags["compact_lake"].params["before"] = before


@pytest.mark.parametrize(
    ("name", "invalid"),
    [
        *(("date", invalid) for invalid in ("yesterday", "2026-13-01", 20261124)),
        *(
            ("recipients", invalid)
            for invalid in (
                "nobody",
                "a@b, c",
                "a b@example.org",
                "a@b\nBcc: c@example.org",
                "a@example.org\n",
                7,
            )
        ),
    ],
)
def test_report_form_rejects_invalid_dates_and_addresses(dagbag, name, invalid):
    with pytest.raises(ParamValidationError, match=name):
        dagbag.dags["management_report"].params[name] = invalid


@pytest.mark.parametrize(
    "recipients", [None, "", "a@example.org", "first.last+x@mail.example.org, operations@localhost"]
)
def test_report_form_accepts_addresses(dagbag, recipients):
    dagbag.dags["management_report"].params["recipients"] = recipients


def test_report_is_sent_even_if_the_lake_has_not_caught_up(dagbag):
    send = dagbag.dags["management_report"].get_task("send")
    assert send.upstream_task_ids == {"caught_up"}
    assert send.trigger_rule == "all_done"


def test_vacuum_runs_after_compaction(dagbag):
    tasks = dagbag.dags["compact_lake"].task_dict
    assert [tasks[name].upstream_task_ids for name in ("expire", "compact", "vacuum")] == [
        {"raw_landed"},
        {"expire"},
        {"compact"},
    ]
