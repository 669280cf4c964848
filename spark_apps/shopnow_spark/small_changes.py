"""Refresh the lake after a small change with an engine that already runs; spark-submit does the rest."""

import logging

from pyspark.errors import PySparkException

from shopnow.lake.delta import errors
from shopnow.settings import Settings
from shopnow_spark import connect, jobs
from shopnow_spark.lake_reader import Backlog

log = logging.getLogger(__name__)


def refresh(url: str, lake: str) -> bool:
    """Refresh events and KPIs, and log the tables that changed.

    Args:
        url: address of Spark Connect.

    Returns:
        Whether all is refreshed; if not, some tables may be, and spark-submit continues from there.

    Raises:
        UserError: the lake does not answer.
    """
    try:
        with (
            errors.as_user_errors(lake),
            connect.session(url, Settings.load()) as session,
            connect.column_functions(),
        ):
            refreshed = jobs.refresh(lake, lambda: session)
    except Backlog:
        log.info("there are too many new records for %s: left to spark-submit", url)
        return False
    except PySparkException as error:
        log.warning("%s failed, the rest is left to spark-submit: %s", url, errors.one_line(error))
        return False
    for result in refreshed:
        log.info(result.summary())
    if not refreshed:
        log.info("nothing new")
    return True
