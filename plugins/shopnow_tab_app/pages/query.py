"""What a request asks of a page."""

from collections.abc import Mapping
from typing import NamedTuple

from shopnow_tab_app.pages.paging import PAGE_SIZE, PageQuery
from shopnow_tab_app.pages.period import PeriodQuery

NO_CHOICES: Mapping[str, str | None] = {}


class Query(NamedTuple):
    """What a request asks of a page, its PDF, its charts or exports; each ignores what it has no use for."""

    period: PeriodQuery = PeriodQuery()
    rows: PageQuery = PageQuery("", None, True, 0, PAGE_SIZE)
    choices: Mapping[str, str | None] = NO_CHOICES
    """Chosen values by column, such as a status."""
