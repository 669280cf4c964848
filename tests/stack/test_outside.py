"""Events from outside the simulated shop, through Airflow: sent by hand, or from a delivery note."""

from shopnow.events import TOPICS
from shopnow.examples import example_json
from shopnow.local_stack import airflow_api, supervision

MINUTE = 60


def test_events_sent_by_hand_are_reported_and_sent_once(api, ends):
    def report() -> dict:
        entry = api.get(f"/dags/send_events/dagRuns/{run_id}/taskInstances/send/xcomEntries/return_value")
        return entry.raise_for_status().json()["value"]

    events = [example_json(type_) for name in ("orders", "payments") for type_ in TOPICS[name].types]
    run_id = airflow_api.trigger(api, "send_events", {"events": events})
    assert ends("send_events", run_id) == "success"
    first_report = report()
    assert [event["event_id"] for event in first_report["sent"]] == [event["event_id"] for event in events]
    clearing = {"dry_run": False, "dag_run_id": run_id, "only_failed": False, "only_running": False}
    api.post("/dags/send_events/clearTaskInstances", json=clearing).raise_for_status()
    assert ends("send_events", run_id) == "success"
    assert report() == first_report

    run_id = airflow_api.trigger(api, "send_events", {"events": '{"event_type": "order_placed"}'})
    assert ends("send_events", run_id) == "failed"
    assert report()["rejected"][0]["field"] == "order_id"


def test_a_delivery_changes_the_stock_and_the_kpis(demo, shopnow, as_json, tmp_path):
    def position() -> int:
        rows = as_json("show", "kpi/stock_position", "--limit", "1000")["rows"]
        return next(row["quantity"] for row in rows if row["product_id"] == "p-041")

    before = position()
    note = tmp_path / "delivery.csv"
    note.write_text("note_number,supplier,product_id,quantity\nN-1,Depot,p-041,7\n")
    shopnow("restock", str(note))
    assert supervision.wait_until(lambda: position() == before + 7, 5 * MINUTE, interval=3)
    # Wait until all other records that arrived in the meantime are landed.
    assert supervision.wait_until(
        lambda: all(topic["lag"] == 0 for topic in as_json("topics")["topics"]), 5 * MINUTE, interval=3
    )
