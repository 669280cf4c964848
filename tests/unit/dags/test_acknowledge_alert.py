"""The DAG by which alerts are acknowledged and silenced, but for Airflow: its task, with a context and a lake in a folder."""

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
    """Runs the task with these params on a lake where a mug is sold out, which it returns; `said` is what it leaves for others."""
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

    def call(said=None, **params):
        usual = {"action": "acknowledge", "alert": "stock_out:mug", "until": None, "reason": "ordered"}
        ti = SimpleNamespace(xcom_push=lambda key, value: said.update({key: value}))
        dag_run = SimpleNamespace(triggering_user_name="anna", run_id="manual__1")
        monkeypatch.setitem(
            act.__globals__,
            "get_current_context",
            lambda: {"params": {**usual, **params}, "dag_run": dag_run, "ti": ti},
        )
        monkeypatch.setitem(act.__globals__, "lake_uri", lambda: lake)
        act()
        return overview(lake, datetime.now(UTC))

    return call


def test_it_is_on_record_who_acknowledged_and_why(run):
    [alert] = run().alerts
    assert (alert["state"], alert["by"], alert["reason"]) == ("acknowledged", "anna, manual__1", "ordered")


def test_a_silence_ends_when_it_is_said_to(run):
    until = datetime.now(UTC) + timedelta(hours=1)
    [silence] = run(action="silence", alert="stock_out", until=until.isoformat()).silences
    assert (silence["target"], silence["until"]) == ("stock_out", until)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"alert": "stock_out:cup"}, "none that ever fired; those are stock_out:mug"),
        ({"reason": ""}, "say why"),
        ({"action": "silence"}, "a silence needs an end"),
        ({"action": "silence", "until": "tomorrow"}, "is no date or time"),
        ({"action": "silence", "until": "2026-01-01T00:00:00Z"}, "is over"),
        ({"action": "silence", "until": "2026-01-01T00:00:00"}, "is over"),
    ],
)
def test_what_is_wrong_fails_at_once_and_is_left_for_the_page_to_show(run, params, says):
    said = {}
    with pytest.raises(AirflowFailException, match=says) as failed:
        run(said, **params)
    assert said == {REFUSAL_KEY: str(failed.value)}
