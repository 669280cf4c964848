"""Bringing the lake's derived tables up to date: what is read, written and committed.

Every step first asks the lake, without Spark, what is new since the commit that last wrote the table, and does nothing
when that is nothing. Rows and the versions they were made from are one commit, so a run may be killed, repeated or run
twice at once: what was committed stays and the rest is done by the next run.
"""

from concurrent.futures import ThreadPoolExecutor

from shopnow.events import TOPICS
from shopnow.kpis import KPIS
from shopnow.lake import losses, statements
from shopnow.lake.restatements import RESTATEMENTS
from shopnow_spark import publishing
from shopnow_spark.frames import Start
from shopnow_spark.refresh_events import refresh_events
from shopnow_spark.refresh_kpis import refresh_kpi
from shopnow_spark.refreshed import Refreshed

# More than there are cores: much of a commit is waiting for HDFS.
THREADS = 4


def refresh(lake: str, start: Start) -> list[Refreshed]:
    """Brings all events and KPIs up to date; gives what was done, so nothing for tables that were up to date.

    Raises:
        OSError: the lake was not reached.
    """
    computed = publishing.now(lake)
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(lambda topic: refresh_events(lake, topic, start), TOPICS.values()))
        known = losses.read(lake, sorted({topic for kpi in KPIS for topic in kpi.topics}))
        done += pool.map(lambda kpi: refresh_kpi(lake, kpi, known, computed, start), KPIS)
    refreshed = [each for each in done if each]
    if refreshed:
        statements.collect(lake, RESTATEMENTS)
    return refreshed
