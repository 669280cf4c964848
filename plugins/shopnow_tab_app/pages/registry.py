"""Registry of the tab's pages, which drives their API routes, PDF sheets, charts and CSV exports."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends
from fastapi import Query as QueryParameter

from shopnow_tab_app.i18n import Translator
from shopnow_tab_app.pages import (
    dashboard,
    deliveries,
    order,
    orders,
    payments,
    pdf_sheets,
    pipeline,
    product,
    run,
    stock,
)
from shopnow_tab_app.pages.alerts import AlertAction
from shopnow_tab_app.pages.csv_export import Export
from shopnow_tab_app.pages.paging import PageQuery, page_query
from shopnow_tab_app.pages.period import PeriodQuery, period_query
from shopnow_tab_app.pages.positions import Positions
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.response import PageResponse
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.replica.protocol import ReplicaState
from shopnow_tab_app.sources import runs
from shopnow_tab_app.sources.polled_cache import PollResult

PageName = Literal[
    "dashboard", "orders", "order", "payments", "deliveries", "stock", "product", "pipeline", "run"
]
Status = orders.Status | payments.Status

_Period = Annotated[PeriodQuery, Depends(period_query)]
_Page = Annotated[PageQuery, Depends(page_query)]
_Id = Annotated[str, QueryParameter(max_length=200)]
"""Not nullable: in a query every text is one, and the empty one stands for no id."""


class Sources(NamedTuple):
    """What the pages read."""

    lake: LakeReplica
    positions: Callable[[], PollResult[Positions]]
    dags: Callable[[], list[runs.Dag]]
    alert_actions: Callable[[], list[AlertAction]]


class Build(NamedTuple):
    """A page ready to be built: its inputs other than the lake have been read."""

    stamp: Any
    """Equal for equal inputs other than the lake."""
    run: Callable[[ReplicaState], PageResponse]


class Page(NamedTuple):
    """A page of the tab."""

    tables: Sequence[str]
    """Tables that the page is built from."""
    response: type[PageResponse]
    summary: str
    """Description of the page's API route."""
    parameters: Callable[..., Any]
    """FastAPI dependency that reads the page's query parameters into a `Query`."""
    prepare: Callable[[Sources, Query], Build]
    sheet: Callable[[Any, Translator], pdf_sheets.Sheet]
    """Fills the page's PDF sheet from its response."""
    charts: Sequence[str] = ()
    """Names of the charts in its response."""
    exports: Mapping[str, Export] = {}
    """Tables to export as CSV, by name."""

    def build(self, sources: Sources, query: Query) -> PageResponse:
        """Build the page from the current state of its tables."""
        build = self.prepare(sources, query)
        return build.run(sources.lake.state(self.tables))


async def _period_parameters(period: _Period) -> Query:
    return Query(period)


async def _orders_parameters(
    period: _Period, rows: _Page, status: orders.Status | None = None, customer_id: _Id = ""
) -> Query:
    return Query(period, rows, {"status": status, "customer_id": customer_id or None})


async def _order_parameters(order_id: _Id = "") -> Query:
    return Query(choices={"order_id": order_id or None})


async def _product_parameters(period: _Period, product_id: _Id = "") -> Query:
    return Query(period, choices={"product_id": product_id or None})


async def _payments_parameters(
    period: _Period,
    rows: _Page,
    status: payments.Status | None = None,
    method: payments.Method | None = None,
) -> Query:
    return Query(period, rows, {"status": status, "method": method})


async def _deliveries_parameters(
    period: _Period, rows: _Page, stage: deliveries.Stage | None = None
) -> Query:
    return Query(period, rows, {"stage": stage})


async def _stock_parameters(level: stock.Level | None = None) -> Query:
    return Query(choices={"level": level})


async def _run_parameters(dag_id: _Id = "", run_id: _Id = "") -> Query:
    return Query(choices={"dag_id": dag_id or None, "run_id": run_id or None})


async def _no_parameters() -> Query:
    return Query()


async def any_parameters(
    period: _Period,
    rows: _Page,
    status: Status | None = None,
    method: payments.Method | None = None,
    stage: deliveries.Stage | None = None,
    level: stock.Level | None = None,
    order_id: _Id = "",
    product_id: _Id = "",
    customer_id: _Id = "",
    dag_id: _Id = "",
    run_id: _Id = "",
) -> Query:
    """Read the query parameters of all pages, for routes that serve each of them."""
    choices = {"status": status, "method": method, "stage": stage, "level": level}
    ids = {"order_id": order_id or None, "product_id": product_id or None, "customer_id": customer_id or None}
    return Query(period, rows, {**choices, **ids, "dag_id": dag_id or None, "run_id": run_id or None})


def _minute() -> datetime:
    """Return the current time, to the minute, so that responses can be cached."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def _prepare_dashboard(sources: Sources, query: Query) -> Build:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return Build(hour, partial(dashboard.build, sources.lake, query.period, hour))


def _prepare_orders(sources: Sources, query: Query) -> Build:
    return Build(datetime.now(UTC).date(), partial(orders.build, sources.lake, query))


def _prepare_order(sources: Sources, query: Query) -> Build:
    return Build(None, partial(order.build, sources.lake, query))


def _prepare_product(sources: Sources, query: Query) -> Build:
    now = _minute()
    return Build(now, partial(product.build, sources.lake, now, query))


def _prepare_payments(sources: Sources, query: Query) -> Build:
    return Build(datetime.now(UTC).date(), partial(payments.build, sources.lake, query))


def _prepare_deliveries(sources: Sources, query: Query) -> Build:
    now = _minute()
    return Build(now, partial(deliveries.build, sources.lake, now, query))


def _prepare_stock(sources: Sources, query: Query) -> Build:
    actions, now = sources.alert_actions(), _minute()
    return Build((actions, now), partial(stock.build, sources.lake, actions, now, query))


def _prepare_pipeline(sources: Sources, query: Query) -> Build:
    sources.lake.state(pipeline.TABLES)  # Before the positions, which need the raw tables' versions.
    positions, dags = sources.positions(), sources.dags()
    stamp = positions.value, positions.error, dags
    return Build(stamp, partial(pipeline.build, sources.lake, positions, dags))


def _prepare_run(sources: Sources, query: Query) -> Build:
    dag_run = runs.find_run(query.choices.get("dag_id") or "", query.choices.get("run_id") or "")
    return Build(dag_run, partial(run.build, sources.lake, dag_run, query))


PAGES: Mapping[PageName, Page] = {
    "dashboard": Page(
        tables=dashboard.TABLES,
        response=dashboard.Dashboard,
        summary="Figures of a period compared with the previous period of the same length.",
        parameters=_period_parameters,
        prepare=_prepare_dashboard,
        sheet=pdf_sheets.dashboard,
        charts=dashboard.CHARTS,
        exports=dashboard.EXPORTS,
    ),
    "orders": Page(
        tables=orders.TABLES,
        response=orders.Orders,
        summary="A page of the orders.",
        parameters=_orders_parameters,
        prepare=_prepare_orders,
        sheet=pdf_sheets.orders,
        exports=orders.EXPORTS,
    ),
    "order": Page(
        tables=order.TABLES,
        response=order.OrderPage,
        summary="An order and its timeline.",
        parameters=_order_parameters,
        prepare=_prepare_order,
        sheet=pdf_sheets.order,
    ),
    "payments": Page(
        tables=payments.TABLES,
        response=payments.Payments,
        summary="A page of the payments, and charts of their outcomes.",
        parameters=_payments_parameters,
        prepare=_prepare_payments,
        sheet=pdf_sheets.payments,
        charts=payments.CHARTS,
        exports=payments.EXPORTS,
    ),
    "deliveries": Page(
        tables=deliveries.TABLES,
        response=deliveries.Deliveries,
        summary="A page of the deliveries, and a timeline of their stages.",
        parameters=_deliveries_parameters,
        prepare=_prepare_deliveries,
        sheet=pdf_sheets.deliveries,
        charts=deliveries.CHARTS,
        exports=deliveries.EXPORTS,
    ),
    "stock": Page(
        tables=stock.TABLES,
        response=stock.Stock,
        summary="Stock levels, active alerts, people's actions on them, and sent messages.",
        parameters=_stock_parameters,
        prepare=_prepare_stock,
        sheet=pdf_sheets.stock,
        exports=stock.EXPORTS,
    ),
    "product": Page(
        tables=product.TABLES,
        response=product.ProductPage,
        summary="A product: its stock, and its sales, stock-outs and alerts.",
        parameters=_product_parameters,
        prepare=_prepare_product,
        sheet=pdf_sheets.product,
        charts=product.CHARTS,
    ),
    "pipeline": Page(
        tables=pipeline.TABLES,
        response=pipeline.Pipeline,
        summary="Lag of each topic, landed batches, quarantine, data loss, KPI tables and DAGs.",
        parameters=_no_parameters,
        prepare=_prepare_pipeline,
        sheet=pdf_sheets.pipeline,
        exports=pipeline.EXPORTS,
    ),
    "run": Page(
        tables=run.TABLES,
        response=run.RunPage,
        summary="A DAG run: the receipts and KPI rows that were committed while it ran.",
        parameters=_run_parameters,
        prepare=_prepare_run,
        sheet=pdf_sheets.run,
    ),
}

EXPORTS: Mapping[str, tuple[PageName, Export]] = {
    name: (page_name, export) for page_name, page in PAGES.items() for name, export in page.exports.items()
}
"""Tables to export as CSV, with their page, by name."""
