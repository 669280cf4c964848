"""The private parts of Airflow that `airflow_internals` uses still exist and behave as it expects.

A failure here after an upgrade names the part of Airflow that changed, and the function to adapt.
"""

import ast
import inspect
import json
import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from shopnow import airflow_internals
from shopnow.settings import ROOT

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
PUBLIC = (
    "airflow.configuration",
    "airflow.exceptions",
    "airflow.listeners",
    "airflow.plugins_manager",
    "airflow.providers",
    "airflow.sdk",
    "airflow.triggers.base",
    # Documented for a `logging_config_class`.
    "airflow.config_templates.airflow_local_settings",
)
PRIVATE = ("airflow.sdk.execution_time",)


def private(module: str, name: str, used_by: str) -> Any:
    """An attribute of an Airflow module; fails the test with what is gone and what used it."""
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        pytest.fail(f"Airflow no longer has {module}.{name} ({error}); adapt {used_by}")


class Supervisor:
    """Stands in for the task's channel to the supervisor."""

    def __init__(self, response: Any) -> None:
        self.response, self.requests = response, []

    def send(self, request: Any) -> Any:
        self.requests.append(request)
        return self.response


@pytest.fixture
def send_to(monkeypatch: pytest.MonkeyPatch):
    """Sets the supervisor's response to `trigger_run_from_task`."""
    used_by = "airflow_internals.trigger_run_from_task"
    task_runner = import_module("airflow.sdk.execution_time.task_runner")
    source = inspect.getsource(task_runner)
    if "SUPERVISOR_COMMS.send(" not in source or "TriggerDagRun" not in source:
        pytest.fail(
            f"Airflow's task runner no longer sends TriggerDagRun by SUPERVISOR_COMMS; adapt {used_by}"
        )

    def set_response(response: Any) -> Supervisor:
        supervisor = Supervisor(response)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
        return supervisor

    return set_response


def test_a_task_triggers_a_run_by_the_supervisor(send_to):
    used_by = "airflow_internals.trigger_run_from_task"
    comms = "airflow.sdk.execution_time.comms"
    supervisor = send_to(private(comms, "OKResponse", used_by)(ok=True))
    assert airflow_internals.trigger_run_from_task("approve_restock", "run-1", {"product": "mug"})
    [request] = supervisor.requests
    assert (request.dag_id, request.run_id, request.conf) == ("approve_restock", "run-1", {"product": "mug"})
    accepted = get_args(get_args(private(comms, "ToSupervisor", used_by))[0])
    assert type(request) in accepted, "Airflow's supervisor no longer accepts TriggerDagRun from a task"


def test_a_run_that_exists_is_not_triggered_again(send_to):
    used_by = "airflow_internals.trigger_run_from_task"
    error_type = private("airflow.sdk.exceptions", "ErrorType", used_by)
    response = private("airflow.sdk.execution_time.comms", "ErrorResponse", used_by)
    send_to(response(error=error_type.DAGRUN_ALREADY_EXISTS))
    assert not airflow_internals.trigger_run_from_task("approve_restock", "run-1", {})
    send_to(response(error=error_type.GENERIC_ERROR))
    with pytest.raises(private("airflow.sdk.exceptions", "AirflowRuntimeError", used_by)):
        airflow_internals.trigger_run_from_task("approve_restock", "run-1", {})


def test_a_task_restarts_a_run_by_the_supervisor(send_to):
    used_by = "airflow_internals.restart_run_from_task"
    supervisor = send_to(private("airflow.sdk.execution_time.comms", "OKResponse", used_by)(ok=True))
    airflow_internals.restart_run_from_task("approve_restock", "run-1")
    [request] = supervisor.requests
    assert (request.dag_id, request.run_id, request.reset_dag_run) == ("approve_restock", "run-1", True)


def test_a_task_reads_the_states_of_other_runs(send_to):
    used_by = "airflow_internals.task_states_from_task"
    states = {"run-1": {"approve": "awaiting_input"}, "run-2": {"approve": None}}
    result = private("airflow.sdk.execution_time.comms", "TaskStatesResult", used_by)
    supervisor = send_to(result(task_states=states))
    task_states = airflow_internals.task_states_from_task("approve_restock", "approve", ["run-1", "run-2"])
    assert task_states == {"run-1": "awaiting_input", "run-2": None}
    [request] = supervisor.requests
    assert (request.dag_id, request.task_ids) == ("approve_restock", ["approve"])


def test_the_api_server_triggers_a_run_in_a_users_name(monkeypatch: pytest.MonkeyPatch):
    used_by = "airflow_internals.trigger_run_as_user"
    signature = inspect.signature(private("airflow.api.common.trigger_dag", "trigger_dag", used_by))
    run = SimpleNamespace(
        dag_id="acknowledge_alert",
        run_id="run-1",
        state="queued",
        start_date=None,
        end_date=None,
        conf={"alert": "stock_out:mug"},
        triggering_user_name="anna",
    )
    calls: list[dict[str, Any]] = []

    def trigger_dag(*arguments: Any, **options: Any) -> SimpleNamespace:
        try:
            calls.append(signature.bind(*arguments, **options).arguments)
        except TypeError as error:
            pytest.fail(f"trigger_dag of Airflow has other parameters ({error}); adapt {used_by}")
        return run

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", trigger_dag)
    record = airflow_internals.trigger_run_as_user("acknowledge_alert", "run-1", dict(run.conf), "anna")
    assert record == airflow_internals.RunRecord(**vars(run))
    assert calls[0]["triggering_user_name"] == "anna"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("DagNotFound", airflow_internals.UnknownDagError),
        ("ParamValidationError", airflow_internals.InvalidConfError),
    ],
)
def test_refusals_of_trigger_dag_are_told_apart(monkeypatch: pytest.MonkeyPatch, error: str, expected: type):
    exception = private("airflow.exceptions", error, "airflow_internals.trigger_run_as_user")

    def refuse(*arguments: Any, **options: Any) -> None:
        raise exception("refused")

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", refuse)
    with pytest.raises(expected, match="refused"):
        airflow_internals.trigger_run_as_user("acknowledge_alert", "run-1", {}, "anna")


def test_a_conf_that_the_database_cannot_store_is_invalid(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: Any, **options: Any) -> None:
        raise DataError("INSERT", {}, ValueError("\\u0000 cannot be converted to text"))

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", refuse)
    with pytest.raises(airflow_internals.InvalidConfError, match="such as NUL"):
        airflow_internals.trigger_run_as_user("acknowledge_alert", "run-1", {"alert": "\0"}, "anna")


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """An empty metadata database in memory, with the tables of the installed Airflow."""
    import airflow.models
    import airflow.settings
    from airflow.models.dagrun import DagRun

    airflow.models.import_all_models()
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    DagRun.metadata.create_all(engine)

    def new_session() -> Session:
        return Session(engine, expire_on_commit=False)

    monkeypatch.setattr(airflow.settings, "Session", new_session)
    with new_session() as session:
        yield session


def add_run(session: Session, run_id: str, started: datetime, ended: datetime | None, **columns: Any) -> Any:
    from airflow.models.dagrun import DagRun

    run = DagRun(dag_id="compute_kpis", run_id=run_id, run_after=started, run_type="manual", **columns)
    run.state = "success" if ended else "running"
    run.start_date, run.end_date = started, ended  # after the state, which sets them to now
    run.log_template_id, run.clear_number = 1, 0
    session.add(run)
    session.commit()
    return run


def test_dags_are_listed_with_their_latest_run(database: Session):
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel

    database.add(DagBundleModel(name="dags-folder"))
    for dag_id, is_stale in (("compute_kpis", False), ("deleted", True), ("audit_lake", False)):
        database.add(DagModel(dag_id=dag_id, bundle_name="dags-folder", is_stale=is_stale, is_paused=False))
    add_run(database, "first", NOON, NOON + timedelta(minutes=1))
    add_run(database, "second", NOON + timedelta(hours=1), None)
    audit, compute = airflow_internals.list_dags()
    assert (audit.dag_id, audit.latest_run) == ("audit_lake", None)
    assert compute.latest_run
    assert (compute.latest_run.run_id, compute.latest_run.state) == ("second", "running")


def test_the_run_of_a_moment_is_found(database: Session):
    add_run(database, "first", NOON, NOON + timedelta(minutes=1), conf={"a": 1})
    record = airflow_internals.run_active_at("compute_kpis", NOON + timedelta(seconds=30))
    assert record
    assert (record.run_id, record.conf) == ("first", {"a": 1})
    assert airflow_internals.run_active_at("compute_kpis", NOON + timedelta(minutes=2)) is None


def test_a_run_is_found_by_its_id(database: Session):
    add_run(database, "first", NOON, NOON + timedelta(minutes=1))
    record = airflow_internals.find_run("compute_kpis", "first")
    assert record
    assert record.start_date == NOON
    assert airflow_internals.find_run("land_events", "first") is None


def test_recent_runs_carry_an_xcom(database: Session):
    from airflow.models.xcom import XComModel

    add_run(database, "old", NOON - timedelta(hours=2), NOON - timedelta(hours=1))
    refused = add_run(database, "refused", NOON, NOON + timedelta(minutes=1), triggering_user_name="anna")
    add_run(database, "running", NOON, None)
    database.add(
        XComModel(
            dag_run_id=refused.id,
            task_id="acknowledge",
            map_index=-1,
            key="refused",
            dag_id="compute_kpis",
            run_id="refused",
            value=json.dumps("no such alert"),
        )
    )
    database.commit()
    runs = airflow_internals.recent_runs("compute_kpis", NOON, 10, "refused")
    assert [(run.run_id, run.triggering_user_name, value) for run, value in runs] == [
        ("running", None, None),
        ("refused", "anna", "no such alert"),
    ]


def test_the_api_servers_dependencies_take_a_request_and_a_user():
    assert inspect.iscoroutinefunction(airflow_internals.current_user_dependency())
    check = airflow_internals.trigger_permission_check("acknowledge_alert")
    assert list(inspect.signature(check).parameters) == ["request", "user"], (
        "requires_access_dag of Airflow returns another dependency; adapt trigger_permission_check"
    )


def test_the_smtp_hook_keeps_its_client(monkeypatch: pytest.MonkeyPatch):
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    client = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(smtplib, "SMTP", lambda **options: client)
    extra = {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setattr(
        SmtpHook,
        "get_connection",
        lambda self, conn_id: SimpleNamespace(
            host="mail.example", port=25, login=None, password=None, extra_dejson=extra
        ),
    )
    hook = SmtpHook()
    hook.get_conn()
    assert getattr(hook, "_smtp_client", None) is client, (
        "SmtpHook no longer keeps its smtplib.SMTP as _smtp_client; adapt notifications/smtp_session.py"
    )


@pytest.mark.parametrize("folder", ["dags", "include", "plugins", "spark_apps"])
def test_no_other_module_imports_private_parts_of_airflow(folder: str):
    imports = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        if file.name != "airflow_internals.py"
        for node in ast.walk(ast.parse(file.read_text()))
        for module in imported_modules(node)
        if module.partition(".")[0] == "airflow"
        and (is_below(module, PRIVATE) or not is_below(module, PUBLIC))
    ]
    assert not imports, "move these uses to shopnow/airflow_internals.py"


def imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)
