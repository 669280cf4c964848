"""KPI tables computed anew where what they are made from changed."""

from collections.abc import Sequence

from deltalake.exceptions import CommitFailedError

from shopnow.kpis import Kpi
from shopnow.lake.ingest.data_loss import Loss
from shopnow_spark.kpi_writer import Computed, publish
from shopnow_spark.lake_reader import Start
from shopnow_spark.planning import plan
from shopnow_spark.result import Refreshed

ATTEMPTS = 3


def refresh_kpi(
    lake: str, kpi: Kpi, losses: Sequence[Loss], computed: Computed, start: Start
) -> Refreshed | None:
    """Computes the KPI anew where its sources or losses changed; None if none did. The losses are those of the KPI's topics."""
    for attempt in range(ATTEMPTS):
        planned = plan(lake, kpi, losses, computed, start)
        if planned is None:
            return None
        try:
            return publish(planned, planned.rows.toArrow(), computed)
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise
    return None
