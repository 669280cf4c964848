"""The tab's app: pages, and the API they and others read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopnow import airflow_internals, dag_common
from shopnow.errors import UserError
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import Lake
from shopnow_tab_app.response_cache import Answers
from shopnow_tab_app.routes.read_routes import reading
from shopnow_tab_app.routes.write_routes import writing
from shopnow_tab_app.topic_tail import Tail

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

HEADERS = {
    # Everything comes from here, nothing is written into the page, and only Airflow's own pages may frame it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create(
    lake: Lake | None = None,
    tail: Tail | None = None,
    conf: Callable[[], dict[str, Any]] = dag_common.kafka_conf,
) -> FastAPI:
    """The app; reads the lake and the topics of Airflow's connections unless it is given others."""
    lake = lake or Lake(dag_common.lake_uri, tables.COPIES, tables.DERIVED)
    app = FastAPI(
        title="ShopNow+",
        description="What the pages of the ShopNow+ tab read. Amounts are integer cents of a currency, times and days UTC.",
        dependencies=[Depends(airflow_internals.current_user_dependency())],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.include_router(reading(Answers(lake), tail or Tail(conf), conf))
    app.include_router(writing(conf))
    app.add_api_route("/api/openapi.json", lambda: app.openapi(), include_in_schema=False)
    app.add_api_route("/", lambda: _file("index.html"), include_in_schema=False)
    app.add_api_route("/assets/{name}", _file, include_in_schema=False)
    app.add_exception_handler(UserError, _unavailable)
    app.add_middleware(_WithHeaders)
    return app


def _file(name: str) -> Response:
    """A file of those built of `ui/`."""
    path = STATIC / name
    if path.parent != STATIC or path.suffix not in TYPES or not path.is_file():
        raise HTTPException(404, "there is no such page")
    # Asked for anew each time: what is built of a new version has the same names.
    return Response(
        path.read_bytes(), media_type=TYPES[path.suffix], headers={"Cache-Control": "private, no-cache"}
    )


async def _unavailable(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503)


class _WithHeaders:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
