"""The task of `acknowledge_alert`, called without Airflow: with a fake context and a lake in a folder."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException
from deltalake import write_deltalake

from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.alerts.status import overview
from shopnow.dag_common import REFUSAL_KEY
from shopnow.lake.delta.tables import Table
from shopnow.settings import ROOT


@pytest.fixture(scope="module")
def act():
    dags = DagBag(dag_folder=str(ROOT / "dags" / "acknowledge_alert.py")).dags
    return dags["acknowledge_alert"].get_task("act").python_callable


@pytest.fixture
def run(act, tmp_path, monkeypatch):
    """Run the task with params on a lake where a mug is sold out; return the alerts' status.

    `xcoms` receives the XComs that the task pushes.
    """
    lake = tmp_path.as_uri()
    stock = {
        "product_id": "mug",
        "product_name": "Mug",
        "quantity": 0,
        "last_event_time": datetime(2026, 7, 1, tzinfo=UTC),
        "last_offset": 0,
    }
    write_deltalake(Table(lake, STOCK).uri, pa.Table.from_pylist([stock]))
    evaluate(lake, "run-1")

    def call(xcoms=None, **params):
        defaults = {"action": "acknowledge", "alert": "stock_out:mug", "until": None, "reason": "ordered"}
        ti = SimpleNamespace(xcom_push=lambda key, value: xcoms.update({key: value}))
        dag_run = SimpleNamespace(triggering_user_name="anna", run_id="manual__1")
        monkeypatch.setitem(
            act.__globals__,
            "get_current_context",
            lambda: {"params": {**defaults, **params}, "dag_run": dag_run, "ti": ti},
        )
        monkeypatch.setitem(act.__globals__, "lake_uri", lambda: lake)
        act()
        return overview(lake, datetime.now(UTC))

    return call


def test_records_who_acknowledged_and_why(run):
    [alert] = run().alerts
    assert (alert["state"], alert["by"], alert["reason"]) == ("acknowledged", "anna, manual__1", "ordered")


def test_silence_ends_at_the_given_time(run):
    until = datetime.now(UTC) + timedelta(hours=1)
    [silence] = run(action="silence", alert="stock_out", until=until.isoformat()).silences
    assert (silence["target"], silence["until"]) == ("stock_out", until)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alert": "stock_out:cup"}, "has never fired; firing alerts: stock_out:mug"),
        ({"reason": ""}, "give a reason"),
        ({"action": "silence"}, "a silence needs an end"),
        ({"action": "silence", "until": "tomorrow"}, "is not a date or time"),
        ({"action": "silence", "until": "2026-01-01T00:00:00Z"}, "has passed"),
        ({"action": "silence", "until": "2026-01-01T00:00:00"}, "has passed"),
    ],
)
def test_invalid_params_fail_without_retry_and_push_the_reason(run, params, message):
    xcoms = {}
    with pytest.raises(AirflowFailException, match=message) as failure:
        run(xcoms, **params)
    assert xcoms == {REFUSAL_KEY: str(failure.value)}
