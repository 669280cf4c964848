"""The API routes that read: one for each page of the registry, and its PDF, charts and CSV exports."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi import Query as QueryParameter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from shopnow.broker.client import Conf
from shopnow.errors import UserError
from shopnow.restock.backlog import DAG_ID as RESTOCK_DAG
from shopnow_tab_app import i18n
from shopnow_tab_app.pages import activity, csv_export, pdf, pdf_sheets
from shopnow_tab_app.pages.charts import Chart
from shopnow_tab_app.pages.positions import PositionReader, Positions
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.registry import EXPORTS, PAGES, Page, PageName, Sources, any_parameters
from shopnow_tab_app.pages.response import as_of
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes import access, alert_actions, order_form
from shopnow_tab_app.routes.problems import Problem
from shopnow_tab_app.routes.response_cache import ResponseCache
from shopnow_tab_app.sources import runs
from shopnow_tab_app.sources.polled_cache import PolledCache
from shopnow_tab_app.sources.topic_tail import TopicTail

_AnyQuery = Annotated[Query, Depends(any_parameters)]
_Language = Annotated[str, QueryParameter(max_length=10)]
_PageName = Annotated[PageName, Path(alias="shown")]


UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown name"}}


class Me(BaseModel):
    """Permissions of the user."""

    may_send: bool
    may_act: bool
    """Acknowledge and silence alerts."""
    may_approve: bool
    """Answer restock proposals."""


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
        may_approve: Annotated[bool, Depends(access.allowed_to_trigger(RESTOCK_DAG))],
    ) -> Me:
        """Permissions of the user."""
        return Me(may_send=may_send, may_act=may_act, may_approve=may_approve)

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
    def get_page(name: _PageName, query: _AnyQuery, language: _Language = i18n.DEFAULT_LANGUAGE) -> Response:
        """A page as PDF, on A4, in English or French: its summary, its charts, and its rows.

        At most the first 1,000 rows; a line says how many there are.
        """
        page = PAGES[name]
        rows = query.rows._replace(page=0, size=pdf.MAX_ROWS)
        data = page.build(sources, query._replace(rows=rows))
        content = pdf.render(pdf_sheets.sheet(name, data, i18n.translator(language), page.sheet))
        headers = {"Content-Disposition": f'attachment; filename="{_file_name(name, data.as_of, "pdf")}"'}
        return Response(content, media_type="application/pdf", headers=headers)

    @router.get("/charts/{shown}/{name}", responses=UNKNOWN)
    def get_chart(page_name: Annotated[str, Path(alias="shown")], name: str, query: _AnyQuery) -> Chart:
        """The data of a chart."""
        page = next((page for key, page in PAGES.items() if key == page_name and name in page.charts), None)
        if page is None:
            raise HTTPException(404, f"page {page_name!r} has no chart {name!r}")
        return page.build(sources, query).charts[name]  # type: ignore[attr-defined]

    @router.get(
        "/tables/{name}.csv",
        response_class=Response,
        responses={200: {"content": {"text/csv": {}}}, **UNKNOWN},
    )
    def get_table(name: str, query: _AnyQuery, language: _Language | None = None) -> Response:
        """The rows of a table on all its pages as CSV, searched, filtered and sorted as the page is.

        Without a language, for programs: the fields of the API, with amounts in cents. With one, for a
        reader: the columns of the page, as spreadsheets of the language expect them.
        """
        if name not in EXPORTS:
            raise HTTPException(404, f"unknown table {name!r}; choose one of {', '.join(EXPORTS)}")
        page_name, export = EXPORTS[name]
        state = lake.state(PAGES[page_name].tables)
        if state.unread:
            raise UserError(state.error or "the first read of the lake is in progress; try again in a moment")
        chunks: Iterable[list[csv_export.Row]]
        if isinstance(export, csv_export.ListingExport):
            chunks, currency = export.read(lake, query), None
        else:
            data = PAGES[page_name].build(sources, query)
            chunks, currency = [[dict(row) for row in export.rows(data)]], getattr(data, "currency", None)
        reader = i18n.translator(language) if language else None
        file_name = _file_name(re.sub(r"[^a-z_]", "", name), as_of(state), "csv")
        return StreamingResponse(
            csv_export.lines(export, chunks, reader, currency),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
        )

    return router


def _file_name(name: str, as_of: str | None, suffix: str) -> str:
    """Return the name of a download, which says how old its figures are."""
    return f"shopnow-{name}-{re.sub('[^0-9T]', '', (as_of or '')[:16]) or 'empty'}.{suffix}"


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
