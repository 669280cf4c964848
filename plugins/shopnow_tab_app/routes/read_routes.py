"""The API routes that read: one for each page of the registry, and its PDF, charts and CSV exports."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi import Query as QueryParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow_tab_app import i18n
from shopnow_tab_app.pages import activity, csv_export, deliveries, pdf, pdf_sheets
from shopnow_tab_app.pages.charts import Chart
from shopnow_tab_app.pages.paging import PageQuery, page_query
from shopnow_tab_app.pages.period import PeriodQuery, period_query
from shopnow_tab_app.pages.positions import PositionReader, Positions
from shopnow_tab_app.pages.registry import EXPORTS, PAGES, Page, PageName, Query, Sources, Status
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes import access, alert_actions, order_form
from shopnow_tab_app.routes.problems import Problem
from shopnow_tab_app.routes.response_cache import ResponseCache
from shopnow_tab_app.sources import runs
from shopnow_tab_app.sources.polled_cache import PolledCache
from shopnow_tab_app.sources.topic_tail import TopicTail

_Period = Annotated[PeriodQuery, Depends(period_query)]
_Rows = Annotated[PageQuery, Depends(page_query)]
_PageName = Annotated[PageName, Path(alias="shown")]


UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown name"}}


class Me(BaseModel):
    """Permissions of the user."""

    may_send: bool
    may_act: bool
    """Acknowledge and silence alerts."""


def create_read_router(lake: LakeReplica, tail: TopicTail, conf: Callable[[], Conf]) -> APIRouter:
    """Return the routes, for a lake and the topics of a Kafka configuration."""
    router = APIRouter(prefix="/api", tags=["read"])
    positions: PolledCache[Positions] = PolledCache("Kafka", PositionReader(conf, lake), {})
    sources = Sources(lake, positions, runs.dags, alert_actions.recent_actions)
    responses = ResponseCache()
    for name, page in PAGES.items():
        _add_page(router, name, page, sources, responses)

    @router.get("/me")
    def me(
        may_send: Annotated[bool, Depends(access.allowed_to_trigger(order_form.DAG))],
        may_act: Annotated[bool, Depends(access.allowed_to_trigger(alert_actions.DAG))],
    ) -> Me:
        """Permissions of the user."""
        return Me(may_send=may_send, may_act=may_act)

    @router.get("/activity", response_model=activity.Activity)
    def get_activity(request: Request, limit: Annotated[int, QueryParameter(ge=1, le=200)] = 20) -> Response:
        """The newest events on the topics."""
        stamp = tail.stamp
        newest = activity.build(tail, limit)
        return responses.respond(request, (stamp, len(newest.events)), lambda: newest)

    @router.get("/products")
    def get_products() -> list[order_form.Product]:
        """The products that can be ordered."""
        return order_form.products()

    @router.get(
        "/pages/{shown}.pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}}}
    )
    def get_page(
        name: _PageName,
        period: _Period,
        rows: _Rows,
        language: Annotated[str, QueryParameter(max_length=10)] = "en",
        status: Status | None = None,
        stage: deliveries.Stage | None = None,
    ) -> Response:
        """A page as PDF, on A4, in English or French."""
        page = PAGES[name]
        data = page.build(sources, Query(period, rows, status=status, stage=stage))
        content = pdf.render(pdf_sheets.sheet(name, data, i18n.translator(language), page.sheet))
        headers = {"Content-Disposition": f'attachment; filename="shopnow-{name}.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)

    @router.get("/charts/{shown}/{name}", responses=UNKNOWN)
    def get_chart(
        page_name: Annotated[str, Path(alias="shown")], name: str, period: _Period, rows: _Rows
    ) -> Chart:
        """The data of a chart."""
        page = next((page for key, page in PAGES.items() if key == page_name and name in page.charts), None)
        if page is None:
            raise HTTPException(404, f"page {page_name!r} has no chart {name!r}")
        return page.build(sources, Query(period, rows)).charts[name]  # type: ignore[attr-defined]

    @router.get(
        "/tables/{name}.csv",
        response_class=Response,
        responses={200: {"content": {"text/csv": {}}}, **UNKNOWN},
    )
    def get_table(
        name: str,
        search: Annotated[str, QueryParameter(max_length=100)] = "",
        status: Status | None = None,
        stage: deliveries.Stage | None = None,
    ) -> Response:
        """A whole table as CSV, searched and filtered, in the table's own order."""
        listing = EXPORTS.get(name)
        if listing is None:
            raise HTTPException(404, f"unknown table {name!r}; choose one of {', '.join(EXPORTS)}")
        state = lake.state(tables.with_sources(listing.table))
        if state.unread:
            raise UserError(state.error or "the first read of the lake is in progress; try again in a moment")
        filter_ = listing.filter(status=status, stage=deliveries.stage_number(stage))
        lines = csv_export.lines(lake, listing, search.strip(), filter_)
        headers = {"Content-Disposition": f'attachment; filename="{re.sub(r"[^a-z_]", "", name)}.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _add_page(router: APIRouter, name: str, page: Page, sources: Sources, responses: ResponseCache) -> None:
    """Add the route of a page, whose response is cached until a table or another input changes."""

    def get_page(request: Request, query: Annotated[Query, Depends(page.parameters)]) -> Response:
        build = page.prepare(sources, query)
        state = sources.lake.state(page.tables)
        stamp = tuple(state.versions.items()), state.error, build.stamp
        return responses.respond(request, stamp, lambda: build.run(state))

    router.add_api_route(
        f"/{name}", get_page, name=f"get_{name}", response_model=page.response, description=page.summary
    )
