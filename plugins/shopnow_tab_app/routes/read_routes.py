"""The routes that pages read."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from shopnow.errors import UserError
from shopnow_tab_app import i18n, runs
from shopnow_tab_app.pages import (
    csv_export,
    dashboard,
    deliveries,
    orders,
    payments,
    pdf,
    pdf_sheets,
    pipeline,
    stock,
)
from shopnow_tab_app.pages.charts import Chart
from shopnow_tab_app.pages.paging import PageQuery, turn
from shopnow_tab_app.pages.period import PeriodQuery, asked
from shopnow_tab_app.polled_cache import Fetched
from shopnow_tab_app.replica.protocol import State
from shopnow_tab_app.response_cache import Answers, Missing
from shopnow_tab_app.routes import access, alert_actions, order_form
from shopnow_tab_app.topic_tail import Event, Tail

_Asked = Annotated[PeriodQuery, Depends(asked)]
_Turn = Annotated[PageQuery, Depends(turn)]


class Activity(BaseModel):
    """The newest events on the topics, newest first."""

    events: list[Event]
    missing: list[Missing]


class Me(BaseModel):
    """What the one who asks may do."""

    may_send: bool
    may_act: bool
    """About alerts."""


def reading(answers: Answers, tail: Tail, conf: Callable[[], dict[str, Any]]) -> APIRouter:
    """The routes, for a lake and topics."""
    router = APIRouter(prefix="/api", tags=["read"])
    lake = answers.lake

    where: Fetched[pipeline.Positions] = Fetched("Kafka", pipeline.Where(conf, lake), {})

    @router.get("/me")
    def me(
        may_send: Annotated[bool, Depends(access.allowed_to_trigger(order_form.DAG))],
        may_act: Annotated[bool, Depends(access.allowed_to_trigger(alert_actions.DAG))],
    ) -> Me:
        """What the one who asks may do."""
        return Me(may_send=may_send, may_act=may_act)

    @router.get("/dashboard", response_model=dashboard.Dashboard)
    def get_dashboard(request: Request, asked: _Asked) -> Response:
        """How the shop does, over some days and beside as many before them."""
        return answers.give(request, dashboard.TABLES, lambda state: dashboard.dashboard(lake, asked, state))

    @router.get("/activity", response_model=Activity)
    def get_activity(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Response:
        """The newest events, as they are on the topics at this moment."""
        changes, events, trouble = tail.changes, tail.newest(limit), tail.trouble
        missing = [Missing(what="kafka", why=trouble, as_of=tail.as_of)] if trouble else []
        return answers.keep(
            request, (changes, len(events), trouble), lambda: Activity(events=events, missing=missing)
        )

    @router.get("/products")
    def get_products() -> list[order_form.Product]:
        """What can be ordered."""
        return order_form.products()

    @router.get("/orders", response_model=orders.Orders)
    def get_orders(request: Request, turn: _Turn, status: orders.Status | None = None) -> Response:
        """A page of the orders."""
        return answers.give(request, orders.TABLES, lambda state: orders.orders(lake, turn, status, state))

    @router.get("/payments", response_model=payments.Payments)
    def get_payments(
        request: Request,
        asked: _Asked,
        turn: _Turn,
        status: payments.Status | None = None,
        method: payments.Method | None = None,
    ) -> Response:
        """A page of the payments, and how many succeed."""
        return answers.give(
            request,
            (payments.TABLE,),
            lambda state: payments.payments(lake, asked, turn, status, method, state),
        )

    @router.get("/deliveries", response_model=deliveries.Deliveries)
    def get_deliveries(
        request: Request, asked: _Asked, turn: _Turn, stage: deliveries.Stage | None = None
    ) -> Response:
        """A page of the deliveries, and their timeline."""
        return answers.give(
            request, deliveries.TABLES, lambda state: deliveries.deliveries(lake, asked, turn, stage, state)
        )

    @router.get("/stock", response_model=stock.Stock)
    def get_stock(request: Request) -> Response:
        """What is on the shelves, the alerts that stand, what people do about them, and what was sent."""
        acts, minute = alert_actions.acts(), datetime.now(UTC).replace(second=0, microsecond=0)
        return answers.give(
            request, stock.TABLES, lambda state: stock.stock(lake, acts, minute, state), (repr(acts), minute)
        )

    @router.get("/pipeline", response_model=pipeline.Pipeline)
    def get_pipeline(request: Request) -> Response:
        """How far each step has come, what it took, what is in quarantine, and what is lost."""
        lake.state(pipeline.TABLES)
        found, dags = where(), runs.dags()
        also = repr((found.value, found.trouble, dags))
        return answers.give(
            request, pipeline.TABLES, lambda state: pipeline.pipeline(lake, found, dags, state), also
        )

    @router.get(
        "/pages/{shown}.pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}}}
    )
    def get_page(
        shown: Literal["dashboard", "orders", "payments", "deliveries", "stock", "pipeline"],
        asked: _Asked,
        turn: _Turn,
        language: Annotated[str, Query(max_length=10)] = "en",
        status: orders.Status | payments.Status | None = None,
        stage: deliveries.Stage | None = None,
    ) -> Response:
        """A page as PDF, on A4, in English or French."""
        work: dict[str, tuple[Sequence[str], Callable[[State], BaseModel]]] = {
            "dashboard": (dashboard.TABLES, lambda state: dashboard.dashboard(lake, asked, state)),
            "orders": (orders.TABLES, lambda state: orders.orders(lake, turn, status, state)),
            "payments": (
                (payments.TABLE,),
                lambda state: payments.payments(lake, asked, turn, status, None, state),
            ),
            "deliveries": (
                deliveries.TABLES,
                lambda state: deliveries.deliveries(lake, asked, turn, stage, state),
            ),
            "stock": (
                stock.TABLES,
                lambda state: stock.stock(lake, alert_actions.acts(), datetime.now(UTC), state),
            ),
            "pipeline": (pipeline.TABLES, lambda state: pipeline.pipeline(lake, where(), runs.dags(), state)),
        }
        tables, make = work[shown]
        made = pdf.render(pdf_sheets.sheet(shown, make(lake.state(tables)), i18n.translator(language)))
        headers = {"Content-Disposition": f'attachment; filename="shopnow-{shown}.pdf"'}
        return Response(made, media_type="application/pdf", headers=headers)

    @router.get("/charts/{shown}/{name}")
    def get_chart(shown: str, name: str, asked: _Asked, turn: _Turn) -> Chart:
        """What a chart shows."""
        charts = {
            "dashboard": lambda: dashboard.dashboard(lake, asked, lake.state(dashboard.TABLES)).charts,
            "payments": lambda: (
                payments.payments(lake, asked, turn, None, None, lake.state((payments.TABLE,))).charts
            ),
            "deliveries": lambda: (
                deliveries.deliveries(lake, asked, turn, None, lake.state(deliveries.TABLES)).charts
            ),
        }
        found = charts[shown]().get(name) if shown in charts else None
        if found is None:
            raise HTTPException(404, "there is no such chart")
        return found

    @router.get("/tables/{name}.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
    def get_table(
        name: str,
        search: Annotated[str, Query(max_length=100)] = "",
        status: orders.Status | payments.Status | None = None,
        stage: deliveries.Stage | None = None,
    ) -> Response:
        """A table whole, as CSV: what was searched or filtered, in the table's own order."""
        export = csv_export.EXPORTS.get(name)
        if export is None:
            raise HTTPException(404, f"there is no such table; there are {', '.join(csv_export.EXPORTS)}")
        state = lake.state(export.tables)
        if state.unread:
            raise UserError(
                state.trouble or "the lake is being read for the first time: try again in a moment"
            )
        condition: str = "true"
        bound: dict[str, Any] = {}
        if status and "status" in export.listing.columns:
            condition, bound = "status = $status", {"status": status}
        elif stage and "stage" in export.listing.columns:
            condition, bound = "stage = $stage", {"stage": deliveries.STAGES.index(stage)}
        lines = csv_export.lines(lake, export.listing, search.strip(), condition, bound)
        headers = {"Content-Disposition": f'attachment; filename="{re.sub(r"[^a-z_]", "", name)}.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    return router
