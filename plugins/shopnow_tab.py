"""The ShopNow+ tab in Airflow's navigation and on the pages of DAG runs; the app is in `shopnow_tab_app`."""

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/shopnow"
"""Where the API server mounts the app, below the path of its base URL."""

ADDRESS = f"{urlsplit(conf.get('api', 'base_url', fallback='')).path.rstrip('/')}{PREFIX}"
"""Path of the app for browsers, which know nothing of mounts."""


class LazyApp:
    """Creates the tab's app at the first request: all Airflow processes load plugins, but only one serves."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.app is None:
            from shopnow_tab_app.app import create

            self.app = create()
        await self.app(scope, receive, send)


class ShopNowTab(AirflowPlugin):
    name = "shopnow_tab"
    fastapi_apps = [{"name": "ShopNow+", "app": LazyApp(), "url_prefix": PREFIX}]  # noqa: RUF012  (as the base class has it)
    external_views = [  # noqa: RUF012
        {
            "name": "ShopNow+",
            "href": f"{ADDRESS}/",
            "destination": "nav",
            "url_route": "shopnow",
            "nav_top_level": True,
            "icon": f"{ADDRESS}/assets/icon.svg",
            "icon_dark_mode": f"{ADDRESS}/assets/icon-dark.svg",
        },
        {
            "name": "Receipts",
            "href": f"{ADDRESS}/#/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "shopnow-receipts",
            "icon": f"{ADDRESS}/assets/icon.svg",
            "icon_dark_mode": f"{ADDRESS}/assets/icon-dark.svg",
        },
    ]
