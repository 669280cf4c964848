"""The personal data of a customer is erased, and their order still counts."""

from collections.abc import Iterator

from labs import rows
from labs.requirement import Requirement

from shopnow.cli.endpoints import endpoints
from shopnow.lake.governance.redaction import ERASED

CUSTOMER, ORDER = "c-forget-me", "o-lab-4"


def requirements() -> Iterator[Requirement]:
    _, lake = endpoints()
    orders = rows.where(lake, "events/orders", f"order_id = '{ORDER}'")
    yield Requirement(
        f"events/orders has the order {ORDER}",
        len(orders) == 1,
        f"send an order with order_id {ORDER} and customer_id {CUSTOMER}, and wait for compute_kpis",
    )
    order = orders[0]
    yield Requirement(
        "its customer is a pseudonym, its name and address are erased",
        order["customer_id"] != CUSTOMER and order["customer_name"] == order["address"] == ERASED,
        f"./shopnow forget {CUSTOMER}",
    )
    yield Requirement(
        f"no record of raw/orders mentions {CUSTOMER}",
        not rows.raw(lake, "orders", CUSTOMER),
        f"./shopnow forget {CUSTOMER}",
    )
    days = rows.where(
        lake, "kpi/sales_daily", f"date = '{order['event_date']}' and currency = '{order['currency']}'"
    )
    yield Requirement(
        "kpi/sales_daily still counts the order",
        any(day["orders"] >= 1 for day in days),
        "wait for a run of compute_kpis",
    )
