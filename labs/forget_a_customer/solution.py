"""Send an order of a customer, wait until it is counted, and erase the customer."""

from labs import orders, rows
from labs.forget_a_customer.check import CUSTOMER, ORDER

from shopnow.cli.endpoints import endpoints
from shopnow.lake.governance import erasure

if __name__ == "__main__":
    conf, lake = endpoints()
    orders.send(conf, orders.order(CUSTOMER, ORDER))
    orders.wait_for(
        "kpi/customer_orders with the order",
        lambda: rows.where(lake, "kpi/customer_orders", f"customer_id = '{CUSTOMER}'"),
    )
    erasure.erase_customer(lake, CUSTOMER, why="lab 4", by="lab")
