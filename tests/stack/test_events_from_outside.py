"""What people and other producers send, in one pass of the pipeline: landed, alerted, restocked and proved.

While landing is paused, everything is sent: a product sells out, a supplier delivers, one restock is approved
and another rejected, events come by hand, and records that are no events. Some of these Kafka loses before
they are landed. Then landing goes on: it stops at the loss, until that is acknowledged.
"""

import uuid
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any, NamedTuple

import httpx
import pytest

from factories.stock_out import sell_out
from shopnow import connections
from shopnow.alerts import alert_log, live_stock
from shopnow.alerts.proposals import MAX_OPEN, Proposal, read_proposals
from shopnow.audit.verify import CHECKS
from shopnow.events import TOPICS
from shopnow.examples import example_json
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest import data_loss, lag
from shopnow.local_stack import airflow_api, supervision
from shopnow.local_stack.services import SERVICES
from shopnow.traffic import dedup_keys
from support import delivery_receipts, lost_records
from support.full_stack import APPROVE, MINUTE, answer_approval, get

PAUSED = ("land_events", "compute_kpis")
SENT_BY_HAND = [example_json(type_) for name in ("orders", "payments") for type_ in TOPICS[name].types]
REASON = "a test deleted them"


class Sent(NamedTuple):
    """What was sent while landing was paused, and what had happened by then."""

    product: str
    """The product that sold out."""
    alerts: list[EmailMessage]
    """The mails about it, after two evaluations."""
    proposals: list[Proposal]
    """The proposals to restock it, likewise."""
    open_runs: list[str]
    """Ids of the runs that alerts have started and that wait for a person, likewise."""
    lag: dict[str, int]
    """Number of records not landed, by topic, when its alert had arrived."""
    approval: str
    rejection: str
    """Run ids of the two restock proposals that were answered."""
    forms: dict[str, dict]
    """The form of each as it was shown, by run id."""
    send_run: str
    first_report: dict
    invalid_send_run: str
    lost: range
    """Offsets of views that Kafka deleted."""
    notes: dict[str, str]
    """Deduplication keys of two delivery notes of seven pieces, by product: from outside, and approved."""


@pytest.fixture(scope="module", autouse=True)
def resumed(api) -> Iterator[None]:
    """Resume the DAGs in the end: if a fixture fails before, no run of later tests would end."""
    yield
    for dag_id in PAUSED:
        set_paused(api, dag_id, False)


@pytest.fixture(scope="module")
def sent(api, ends, settings, mails, shopnow, tmp_path_factory) -> Sent:
    """Send everything while landing is paused, and leave it so."""
    assert supervision.wait_until(lambda: is_settled(api, settings), 5 * MINUTE, interval=1)
    for dag_id in PAUSED:
        set_paused(api, dag_id, True)
    product = f"product-{uuid.uuid4().hex[:8]}"
    sell_out(settings.bootstrap_servers, product)
    note = tmp_path_factory.mktemp("notes") / "delivery.csv"
    note.write_text("note_number,supplier,product_id,quantity\nN-1,Depot,p-041,7\n")
    shopnow("restock", str(note))
    proposal = {"product_id": "p-042", "product_name": "[a](b)", "on_hand": 3}
    approval, rejection = (
        airflow_api.trigger(api, "approve_restock", {**proposal, "quantity": quantity})
        for quantity in (50, 9)
    )
    send_run = airflow_api.trigger(api, "send_events", {"events": SENT_BY_HAND})
    invalid_send_run = airflow_api.trigger(api, "send_events", {"events": '{"event_type": "order_placed"}'})
    lost = lost_records.send_records_that_are_no_events(settings.bootstrap_servers)

    def proposals() -> list[Proposal]:
        rows = alert_log.read_rows(alert_log.open_table(settings.lake_uri), "alert", "proposal")
        return [proposal for proposal in read_proposals(rows) if proposal.product_id == product]

    def open_runs() -> list[str]:
        runs = get(api, f"{APPROVE}?state=queued&state=running&limit=100")["dag_runs"]
        return [run["dag_run_id"] for run in runs if run["dag_run_id"].startswith("alert__")]

    assert supervision.wait_until(lambda: bool(mails(product) and proposals()), MINUTE, interval=0.5)
    lag_then = records_not_landed(settings)
    # A second evaluation sends no second message and makes no second proposal.
    assert ends("watch_stock", airflow_api.trigger(api, "watch_stock", {})) == "success"

    approved = answer_approval(api, approval, "Approve", pieces=7, delivered_in_days=0, reason="")
    rejected = answer_approval(api, rejection, "Reject", pieces=9, delivered_in_days=0, reason="discontinued")
    assert ends("send_events", send_run) == "success"
    first_report = send_report(api, send_run)
    clearing = {"dry_run": False, "dag_run_id": send_run, "only_failed": False, "only_running": False}
    api.post("/dags/send_events/clearTaskInstances", json=clearing).raise_for_status()
    assert ends("send_events", send_run) == "success"
    return Sent(
        product=product,
        alerts=mails(product),
        proposals=proposals(),
        open_runs=open_runs(),
        lag=lag_then,
        approval=approval,
        rejection=rejection,
        forms={approval: approved, rejection: rejected},
        send_run=send_run,
        first_report=first_report,
        invalid_send_run=invalid_send_run,
        lost=lost,
        notes={
            "p-041": dedup_keys.note("Depot", "N-1"),
            "p-042": delivery_receipts.approved_note(approval, "p-042", 7),
        },
    )


class Landed(NamedTuple):
    """How landing went on."""

    failed_run: str
    """The run that found the loss."""
    failure_mails: int
    """Mails about it before it was acknowledged."""


@pytest.fixture(scope="module")
def landed(sent, api, ends, settings, mails) -> Landed:
    """Land everything, which takes an acknowledgement of the loss, and compute the KPIs."""
    [traffic] = get(api, "/assets?name_pattern=traffic")["assets"]

    def trigger_landing() -> str:
        """Return a run of land_events that an asset event triggered."""
        before = {
            run["dag_run_id"] for run in get(api, "/dags/land_events/dagRuns?order_by=-run_after")["dag_runs"]
        }
        api.post("/assets/events", json={"asset_id": traffic["id"], "extra": {}}).raise_for_status()

        def new_runs() -> list[str]:
            runs = get(api, "/dags/land_events/dagRuns?order_by=-run_after")["dag_runs"]
            return [
                run["dag_run_id"]
                for run in runs
                if run["dag_run_id"] not in before and run["run_type"] == "asset_triggered"
            ]

        assert supervision.wait_until(lambda: bool(new_runs()), MINUTE, interval=0.5)
        return new_runs()[0]

    # Both delivery notes are received before landing goes on, so that one pass lands everything.
    assert supervision.wait_until(
        lambda: delivery_receipts.read(settings).keys() >= {*sent.notes.values()}, 3 * MINUTE, interval=1
    )
    for dag_id in PAUSED:
        set_paused(api, dag_id, False)
    failed_run = trigger_landing()
    assert ends("land_events", failed_run) == "failed"
    assert supervision.wait_until(lambda: bool(mails("land_events: run")), MINUTE)
    failure_mails = len(mails("land_events: run"))
    approval = {"acknowledge_loss_of": "views", "reason": REASON}
    assert ends("land_events", airflow_api.trigger(api, "land_events", approval)) == "success"
    assert ends("land_events", trigger_landing()) == "success"

    assert supervision.wait_until(
        lambda: computed_stock(settings).get(sent.product) == 0, 5 * MINUTE, interval=1
    )
    return Landed(failed_run, failure_mails)


def test_a_stock_out_is_alerted_without_landing_and_proposed_for_restock_once(sent):
    assert sent.lag["stock"] > 0
    assert len(sent.proposals) == len(sent.alerts) == 1
    assert 0 < len(sent.open_runs) <= MAX_OPEN


def test_the_form_shows_the_proposal_as_text(sent):
    form = sent.forms[sent.approval]
    assert form["subject"] == "Restock [a](b) (p-042)?"  # Airflow shows it as plain text
    assert form["params"]["pieces"]["value"] == 50


def test_a_rejected_restock_orders_nothing_and_keeps_the_reason(sent, api):
    tasks = get(api, f"{APPROVE}/{sent.rejection}/taskInstances")["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks} == {
        "approve": "success",
        "supply": "skipped",
    }
    form = get(api, f"{APPROVE}/{sent.rejection}/taskInstances/approve/-1/hitlDetails")
    assert form["params_input"]["reason"] == "discontinued"


def test_events_sent_by_hand_are_reported_and_sent_once(sent, api, ends):
    assert [event["event_id"] for event in sent.first_report["sent"]] == [
        event["event_id"] for event in SENT_BY_HAND
    ]
    assert send_report(api, sent.send_run) == sent.first_report
    assert ends("send_events", sent.invalid_send_run) == "failed"
    assert send_report(api, sent.invalid_send_run)["rejected"][0]["field"] == "order_id"


def test_data_loss_stops_landing_until_it_is_acknowledged(sent, landed, settings):
    [loss] = data_loss.read(settings.lake_uri)
    assert (loss.id, loss.missing_rows, loss.reason) == (
        f"views/0/{sent.lost.start}-{sent.lost.stop - 1}",
        len(sent.lost),
        REASON,
    )
    assert loss.acknowledged_by.startswith("admin, ")


def test_the_service_monitor_reports_a_failed_run_and_its_recovery(sent, landed, mails):
    assert landed.failure_mails == 1
    assert supervision.wait_until(lambda: len(mails("land_events: run")) == 2, MINUTE)
    # A person triggered these, and sees that they failed.
    assert not mails("send_events: run")


def test_deliveries_change_the_stock_and_the_kpis(sent, landed, settings):
    columns = ["product_id", "event_type", "quantity_change", "quantity_after"]
    rows = tables.read(Table(settings.lake_uri, "events/stock").open(), columns).to_pylist()
    deliveries = [tuple(row.values()) for row in rows]
    for product, note in sent.notes.items():
        quantity = delivery_receipts.read(settings)[note].stock_after[product]
        assert deliveries.count((product, "stock_restocked", 7, quantity)) == 1
    # Not the stock before plus seven: meanwhile the shop may receive other goods, or cancel an order.
    assert supervision.wait_until(lambda: computed_stock(settings) == current_stock(settings), MINUTE)


def test_json_of_status_topics_and_verify(sent, landed, as_json):
    status = as_json("status")
    assert [service["state"] for service in status["services"]] == ["running"] * len(SERVICES)
    assert all(service["pid"] for service in status["services"])
    topics = as_json("topics")["topics"]
    assert {topic["topic"] for topic in topics} == set(TOPICS)
    assert all(topic["records"] > 0 and topic["lag"] == 0 for topic in topics)
    verify = as_json("verify")
    assert verify["ok"]
    assert {check["check"] for check in verify["checks"]} == {*CHECKS}
    ledger = as_json("ledger")
    assert ledger["runs"][0]["finished"]
    assert ledger["total"]["orders"] > 0


def set_paused(api: httpx.Client, dag_id: str, paused: bool) -> None:
    airflow_api.retry_server_errors(
        lambda: api.patch(f"/dags/{dag_id}", json={"is_paused": paused})
    ).raise_for_status()


def is_settled(api: httpx.Client, settings) -> bool:
    """Return whether all records of earlier tests are sent and landed: Kafka would lose them, too."""
    is_sending = any(run["dag_id"] == "generate_traffic" for run in airflow_api.list_active_runs(api))
    return not is_sending and not any(records_not_landed(settings).values())


def positions(settings) -> list[lag.Position]:
    return lag.positions(connections.kafka_conf(connections.load(settings)), settings.lake_uri)


def records_not_landed(settings) -> dict[str, int]:
    return {
        topic: sum(position.lag for position in positions(settings) if position.topic == topic)
        for topic in TOPICS
    }


def current_stock(settings) -> dict[str, int]:
    """Return the pieces in stock by product, events that are not landed included."""
    levels = live_stock.current_levels(connections.kafka_conf(connections.load(settings)), settings.lake_uri)
    return {level.product_id: level.quantity for level in levels}


def computed_stock(settings) -> dict[str, int]:
    """Return the pieces in stock by product, as in the KPIs."""
    return {level.product_id: level.quantity for level in live_stock.current_levels(None, settings.lake_uri)}


def send_report(api: httpx.Client, run_id: str) -> dict[str, Any]:
    path = f"/dags/send_events/dagRuns/{run_id}/taskInstances/send/xcomEntries/return_value"
    return get(api, path)["value"]
