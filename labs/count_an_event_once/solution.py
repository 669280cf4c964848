"""Send one event two times and wait until the pipeline has counted it."""

import time
import uuid

from labs import orders, rows
from labs.count_an_event_once.check import CUSTOMER

from shopnow.cli.endpoints import endpoints
from shopnow.ids import uuid7

if __name__ == "__main__":
    conf, lake = endpoints()
    event_id = uuid7(round(time.time() * 1000), uuid.uuid4().hex)
    order = orders.order(CUSTOMER, "o-lab-2", event_id=event_id)
    orders.send(conf, order)
    orders.send(conf, order)
    orders.wait_for(
        "the event in both tables",
        lambda: (
            len(rows.raw(lake, "orders", event_id)) == 2
            and rows.where(lake, "events/orders", f"event_id = '{event_id}'")
        ),
    )
