"""The routes that change something: each behind the right to trigger the DAG that does the same."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from shopnow_tab_app.routes import access, alert_actions, order_form
from shopnow_tab_app.routes.alert_actions import Acknowledgement, Act, Silence
from shopnow_tab_app.routes.order_form import NewOrder, NewPayment, Receipt


def writing(conf: Callable[[], dict[str, Any]]) -> APIRouter:
    """The routes, for a Kafka configuration."""
    router = APIRouter(prefix="/api")
    sends, acts = access.may_trigger(order_form.DAG), access.may_trigger(alert_actions.DAG)

    @router.post("/orders", status_code=201, tags=["send"], dependencies=sends)
    def place_order(asked: NewOrder) -> Receipt:
        """Place an order; without items, one made up."""
        return order_form.order(conf(), asked)

    @router.post("/payments", status_code=201, tags=["send"], dependencies=sends)
    def pay(asked: NewPayment) -> Receipt:
        """Pay an order, or fail to."""
        return order_form.payment(conf(), asked)

    @router.post("/alerts/acknowledge", status_code=202, tags=["alerts"], dependencies=acts)
    def acknowledge(asked: Acknowledgement, user: access.CurrentUser) -> Act:
        """Acknowledge an alert: a run of the DAG is started, which does it; `acts` of the stock page tell how far it is."""
        return alert_actions.acknowledge(asked, user.get_name())

    @router.post("/alerts/silence", status_code=202, tags=["alerts"], dependencies=acts)
    def silence(asked: Silence, user: access.CurrentUser) -> Act:
        """Tell nothing of an alert, or of all of a rule, for a while; as `acknowledge`, a run does it."""
        return alert_actions.silence(asked, user.get_name())

    return router
