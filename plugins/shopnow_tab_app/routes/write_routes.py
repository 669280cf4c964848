"""The API routes that write; each requires permission to trigger the DAG that does the same."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from shopnow_tab_app.pages.alerts import AlertAction
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes import access, alert_actions, order_form
from shopnow_tab_app.routes.alert_actions import AcknowledgeRequest, SilenceRequest
from shopnow_tab_app.routes.order_form import NewOrder, NewPayment, Receipt
from shopnow_tab_app.routes.problems import Problem

CONFLICTS: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "request_id was used for another request"}
}


def create_write_router(conf: Callable[[], dict[str, Any]], lake: LakeReplica) -> APIRouter:
    """Return the routes, for a Kafka configuration and a lake."""
    router = APIRouter(prefix="/api")
    may_send, may_act = access.may_trigger(order_form.DAG), access.may_trigger(alert_actions.DAG)

    @router.post("/orders", status_code=201, tags=["send"], dependencies=may_send, responses=CONFLICTS)
    def place_order(order: NewOrder) -> Receipt:
        """Place an order; without items, a random one."""
        return order_form.place_order(conf(), order)

    @router.post("/payments", status_code=201, tags=["send"], dependencies=may_send, responses=CONFLICTS)
    def pay(payment: NewPayment) -> Receipt:
        """Send a succeeded or failed payment of an order that is not paid yet."""
        return order_form.pay(conf(), lake, payment)

    @router.post(
        "/alerts/acknowledge", status_code=202, tags=["alerts"], dependencies=may_act, responses=CONFLICTS
    )
    def acknowledge(body: AcknowledgeRequest, user: access.CurrentUser) -> AlertAction:
        """Start a DAG run that acknowledges an alert; `acts` of the stock page shows its progress."""
        return alert_actions.acknowledge(body, user.get_name())

    @router.post(
        "/alerts/silence", status_code=202, tags=["alerts"], dependencies=may_act, responses=CONFLICTS
    )
    def silence(body: SilenceRequest, user: access.CurrentUser) -> AlertAction:
        """Start a DAG run that silences an alert, or all alerts of a rule, until a time."""
        return alert_actions.silence(body, user.get_name())

    return router
