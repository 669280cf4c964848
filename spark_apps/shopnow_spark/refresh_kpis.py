"""Recompute KPI tables where their sources changed."""

from collections.abc import Sequence

from deltalake.exceptions import CommitFailedError

from shopnow.kpis import Kpi
from shopnow.lake.delta.conflicts import retry_on_conflict
from shopnow.lake.ingest.data_loss import Loss
from shopnow_spark.kpi_writer import Computation, publish
from shopnow_spark.lake_reader import Start
from shopnow_spark.planning import plan
from shopnow_spark.result import Refreshed

ATTEMPTS = 3


def refresh_kpi(
    lake: str,
    kpi: Kpi,
    losses: Sequence[Loss],
    computation: Computation,
    start: Start,
    *,
    from_scratch: bool = False,
) -> Refreshed | None:
    """Recompute the KPI where its sources or losses changed; None if nothing changed.

    Args:
        losses: data losses of the KPI's topics.
        from_scratch: replace all rows in one commit, without reading the present ones, which are damaged.
    """

    def attempt() -> Refreshed | None:
        kpi_plan = plan(lake, kpi, losses, computation, start, from_scratch=from_scratch)
        if kpi_plan is None:
            return None
        return publish(kpi_plan, kpi_plan.rows.toArrow(), computation, read_published=not from_scratch)

    return retry_on_conflict(attempt, on=CommitFailedError, attempts=ATTEMPTS)
