"""Building the tab's pages from a replica, without Kafka and Airflow's database."""

from typing import Any

from shopnow_tab_app.pages.period import PeriodQuery
from shopnow_tab_app.pages.query import Query
from shopnow_tab_app.pages.registry import PAGES, PageName, Sources
from shopnow_tab_app.replica.server import ReplicaServer
from shopnow_tab_app.sources.polled_cache import PollResult

TWO_DAYS = PeriodQuery(days=2)
OF_TWO_DAYS = Query(TWO_DAYS)


def build(lake: ReplicaServer, name: PageName, query: Query = OF_TWO_DAYS) -> Any:
    """Return the response of a page, once its tables are read."""
    sources = Sources(lake, lambda: PollResult({}, None, "Kafka is down"), list, list)
    while lake.state(PAGES[name].tables).unread:
        pass
    return PAGES[name].build(sources, query)
