"""The routes that change something: each behind the right to trigger the DAG that does the same."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from shopnow_tab_app import access, sending
from shopnow_tab_app.sending import NewOrder, NewPayment, Receipt


def writing(conf: Callable[[], dict[str, Any]]) -> APIRouter:
    """The routes, for a Kafka configuration."""
    router = APIRouter(prefix="/api", tags=["send"], dependencies=access.may_trigger(sending.DAG))

    @router.post("/orders", status_code=201)
    def place_order(asked: NewOrder) -> Receipt:
        """Place an order; without items, one made up."""
        return sending.order(conf(), asked)

    @router.post("/payments", status_code=201)
    def pay(asked: NewPayment) -> Receipt:
        """Pay an order, or fail to."""
        return sending.payment(conf(), asked)

    return router
