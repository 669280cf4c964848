"""Produce an invalid record, correct it in quarantine, and wait until it is an event."""

import json

from confluent_kafka import Producer
from labs import orders, rows
from labs.repair_a_record.check import CUSTOMER

from shopnow.cli.endpoints import endpoints
from shopnow.events import OrderPlaced
from shopnow.examples import example_json
from shopnow.lake.governance import corrections, quarantine

if __name__ == "__main__":
    conf, lake = endpoints()
    valid = {**example_json(OrderPlaced), "customer_id": CUSTOMER, "order_id": "o-lab-3"}
    producer = Producer(conf)
    producer.produce("orders", json.dumps({**valid, "total_cents": "53.82"}).encode(), b"o-lab-3")
    producer.flush()
    [record] = orders.wait_for("the record", lambda: rows.raw(lake, "orders", f'"{CUSTOMER}"'))
    place = {"topic": "orders", "partition": record["partition"], "offset": record["offset"]}
    payloads = corrections.check(lake, corrections.parse(json.dumps({**place, "value": valid}).encode()))
    quarantine.correct(lake, payloads, why="lab 3: the total was a text", by="lab")
    # Replaying makes no record, so that compute_kpis runs with the next one.
    orders.send(conf, orders.order(f"after-{CUSTOMER}", "o-after-lab-3"))
    orders.wait_for("the event", lambda: rows.where(lake, "events/orders", f"customer_id = '{CUSTOMER}'"))
