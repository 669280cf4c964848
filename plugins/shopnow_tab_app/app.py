"""The tab's FastAPI app: the pages, and their API."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shopnow import airflow_internals, dag_common
from shopnow.errors import UserError
from shopnow_request_limits import BodyLimit
from shopnow_tab_app.pages import activity
from shopnow_tab_app.pages.changes import Changes
from shopnow_tab_app.pages.registry import PAGES
from shopnow_tab_app.replica import tables
from shopnow_tab_app.replica.client import LakeReplica
from shopnow_tab_app.routes.change_stream import create_stream_router
from shopnow_tab_app.routes.problems import PROBLEMS, refuse_repeated_parameters
from shopnow_tab_app.routes.read_routes import create_read_router
from shopnow_tab_app.routes.write_routes import create_write_router
from shopnow_tab_app.sources.topic_tail import TopicTail

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

STREAMED_EVENTS = 40
"""Number of the newest events in the stream of changes."""

BODY_BYTES = 64 << 10
"""Maximum size of a body: forms of the pages have a few fields."""

HEADERS = {
    # No third-party resources, no inline scripts or styles, and framing by Airflow's own pages only.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create(
    lake: LakeReplica | None = None,
    tail: TopicTail | None = None,
    conf: Callable[[], dict[str, Any]] = dag_common.kafka_conf,
) -> FastAPI:
    """Create the app.

    Args:
        lake: replica of the lake; by default of the lake in Airflow's connection.
        tail: reader of the newest events; by default of the Kafka in Airflow's connection.
        conf: function that returns the Kafka configuration.
    """
    lake = lake or LakeReplica(dag_common.lake_uri, tables.COPIES, tables.DERIVED, conf)
    app = FastAPI(
        title="ShopNow+",
        description="API of the ShopNow+ tab. Amounts are integer cents of a currency, times and days UTC.",
        dependencies=[
            Depends(airflow_internals.current_user_dependency()),
            Depends(refuse_repeated_parameters),
        ],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses=PROBLEMS,
    )
    tail = tail or TopicTail(conf)
    app.include_router(create_read_router(lake, tail, conf))
    shown_tables: dict[str, Sequence[str]] = {name: page.tables for name, page in PAGES.items()}
    newest = partial(activity.build, tail, STREAMED_EVENTS)
    app.include_router(create_stream_router(Changes(tail, newest, lake, shown_tables)))
    app.include_router(create_write_router(conf, lake))
    app.add_api_route("/api/openapi.json", lambda: app.openapi(), include_in_schema=False)
    app.add_api_route("/", lambda: _static_file("index.html"), include_in_schema=False)
    app.add_api_route("/assets/{name}", _static_file, include_in_schema=False)
    app.add_exception_handler(UserError, _to_503)
    app.add_exception_handler(RequestValidationError, _to_422)
    app.add_middleware(BodyLimit, BODY_BYTES)
    app.add_middleware(_SecurityHeaders)
    return app


def _static_file(name: str) -> Response:
    """Serve a file of the build output of `ui/`."""
    path = STATIC / name
    if path.parent != STATIC or path.suffix not in TYPES or not path.is_file():
        raise HTTPException(404, f"no file {name!r}")
    # Not cached, because the files of every version have the same names.
    return Response(
        path.read_bytes(), media_type=TYPES[path.suffix], headers={"Cache-Control": "private, no-cache"}
    )


async def _to_503(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503)


async def _to_422(request: Request, error: Exception) -> Response:
    """Name the invalid fields without their values, some of which no JSON can hold."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{name: problem[name] for name in ("type", "loc", "msg")} for problem in problems]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


class _SecurityHeaders:
    """Adds `HEADERS` to every response, and `no-store` to those without a `Cache-Control` of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "private, no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
