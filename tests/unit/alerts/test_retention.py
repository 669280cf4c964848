"""Old rows of the alert log are deleted without a change of any alert, silence, message or proposal."""

import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from shopnow.alerts import alert_log, retention
from shopnow.alerts.dispatcher import deliver, sent_totals
from shopnow.alerts.evaluate import STOCK, evaluate
from shopnow.alerts.outbox import pending_messages
from shopnow.alerts.proposals import ProposalState, read_proposals
from shopnow.alerts.status import overview
from shopnow.lake.delta import tables
from shopnow.lake.delta.conflicts import CommitConflict
from shopnow.lake.delta.tables import Table

NOW = datetime.now(UTC)
CUTOFF = NOW - timedelta(days=30)


class Accepting:
    """A channel that accepts every message."""

    def ready(self) -> None:
        pass

    def send(self, message) -> None:
        pass


def write_stock(lake: str, **quantities: int) -> None:
    rows = [
        {
            "product_id": name,
            "product_name": name,
            "quantity": quantity,
            "last_event_time": NOW - timedelta(days=100),
            "last_offset": 0,
        }
        for name, quantity in quantities.items()
    ]
    write_deltalake(Table(lake, STOCK).uri, pa.Table.from_pylist(rows), mode="overwrite")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose alerts fired and were resolved again and again, long ago."""
    folder = tmp_path_factory.mktemp("lake")
    for days, mugs in ((90, 0), (89, 50), (80, 0), (79, 50), (60, 0), (50, 50)):
        write_stock(folder.as_uri(), mug=mugs, bowl=0)
        evaluate(folder.as_uri(), f"run-{days}", NOW - timedelta(days=days))
    silence = {"kind": "silence", "state": "silenced", "target": "low_stock", "by": "anna", "reason": "sale"}
    for sequence, until in enumerate((NOW, NOW + timedelta(days=1)), 100):
        at = NOW - timedelta(days=50)
        row = {**silence, "until": until, "at": at, "sequence": sequence}
        alert_log.append(folder.as_uri(), [row])
    [bowl] = read_proposals(alert_log.read_rows(alert_log.open_table(folder.as_uri()), "alert"))
    alert_log.append(folder.as_uri(), [bowl.row(ProposalState.OPEN, 200, NOW - timedelta(days=90))])
    return folder


@pytest.fixture
def history(template: Path, tmp_path: Path) -> str:
    """A copy of the template."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path.as_uri()


def state(lake: str) -> tuple:
    """What decisions, messages and pages rest on."""
    rows = alert_log.read_rows(alert_log.open_table(lake), "alert", "silence", "message", "proposal")
    shown = overview(lake, NOW)
    return (
        alert_log.latest_statuses(rows),
        alert_log.silences(rows),
        (pending_messages(rows), read_proposals(rows)),
        alert_log.next_sequence(alert_log.open_table(lake)),
        shown.alerts,
        shown.silences,
    )


def row_count(lake: str) -> int:
    return tables.read(alert_log.open_table(lake), ["kind"]).num_rows


def finish_messages(lake: str, but: set[str]) -> None:
    """Mark all messages as sent long ago, except these."""
    pending = pending_messages(alert_log.read_rows(alert_log.open_table(lake), "message"))
    sent_at = CUTOFF - timedelta(days=1)
    alert_log.append(lake, [m.row("sent", sent_at, reference="1") for m in pending if m.dedup_key not in but])


def test_only_what_no_decision_rests_on_is_deleted(history):
    pending = pending_messages(alert_log.read_rows(alert_log.open_table(history), "message"))
    finish_messages(history, but={pending[2].dedup_key})
    before = state(history)
    rows = row_count(history)
    deletable = retention.purge(history, CUTOFF, dry_run=True)
    assert 10 < deletable < rows
    assert row_count(history) == rows

    assert retention.purge(history, CUTOFF) == deletable
    assert row_count(history) == rows - deletable
    after = state(history)
    assert after[3] == before[3] + 1  # the purge is a decision of its own
    assert [*after[:3], *after[4:]] == [*before[:3], *before[4:]]
    assert retention.purge(history, CUTOFF) == 0


def test_alerts_go_on_as_without_a_purge(history):
    finish_messages(history, but=set())
    retention.purge(history, CUTOFF)
    assert evaluate(history, "run", NOW)["firing"] == 0
    write_stock(history, mug=0, bowl=0)
    evaluate(history, "run", NOW)
    rows = alert_log.read_rows(alert_log.open_table(history), "alert", "proposal")
    proposals = {proposal.product_id: proposal.state for proposal in read_proposals(rows)}
    assert proposals == {"bowl": "open", "mug": "waiting"}
    [mug] = [alert for alert in overview(history, NOW).alerts if alert["subject"] == "mug"]
    firings = [row["firing"] for row in alert_log.read_rows(alert_log.open_table(history), "alert")]
    assert (mug["state"], max(firings)) == ("firing", 4)
    channels = {"email": Accepting(), "slack": Accepting()}
    assert deliver(history, "run", channels, "http://airflow.example")
    assert {channel["channel"] for channel in sent_totals(history)} == {"email", "slack"}


def test_a_concurrent_decision_is_not_overwritten(history):
    finish_messages(history, but=set())
    slower = alert_log.open_table(history)
    kept = retention.needed(alert_log.read_rows(slower, "alert", "silence", "message", "proposal"), CUTOFF)
    write_stock(history, mug=0, bowl=0)
    evaluate(history, "meanwhile", NOW)
    with pytest.raises(CommitConflict):
        alert_log.commit_decision(slower, kept, mode="overwrite")
    assert "mug" in {alert["subject"] for alert in overview(history, NOW).alerts}


def test_a_concurrent_outcome_is_not_overwritten(history):
    slower = alert_log.open_table(history)
    rows = alert_log.read_rows(slower, "alert", "silence", "message", "proposal")
    finish_messages(history, but=set())
    with suppress(CommitConflict, CommitFailedError):  # whether it is committed or not, the outcomes stay
        alert_log.commit_decision(slower, retention.needed(rows, CUTOFF), mode="overwrite")
    assert pending_messages(alert_log.read_rows(alert_log.open_table(history), "message")) == []


def test_a_lake_without_alerts_has_nothing_to_delete(lake):
    assert retention.purge(lake, CUTOFF) == 0
