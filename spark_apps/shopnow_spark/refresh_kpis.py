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
    lake: str, kpi: Kpi, losses: Sequence[Loss], computation: Computation, start: Start
) -> Refreshed | None:
    """Recompute the KPI where its sources or losses changed; None if nothing changed.

    Args:
        losses: data losses of the KPI's topics.
    """

    def attempt() -> Refreshed | None:
        kpi_plan = plan(lake, kpi, losses, computation, start)
        return publish(kpi_plan, kpi_plan.rows.toArrow(), computation) if kpi_plan is not None else None

    return retry_on_conflict(attempt, on=CommitFailedError, attempts=ATTEMPTS)
