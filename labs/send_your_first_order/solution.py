"""Send one order and wait until the pipeline has counted it."""

from labs import orders, rows
from labs.send_your_first_order.check import CUSTOMER

from shopnow.cli.endpoints import endpoints

if __name__ == "__main__":
    conf, lake = endpoints()
    orders.send(conf, orders.order(CUSTOMER, "o-lab-1"))
    orders.wait_for(
        "kpi/customer_orders with the order",
        lambda: rows.where(lake, "kpi/customer_orders", f"customer_id = '{CUSTOMER}'"),
    )
