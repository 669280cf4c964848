"""Spark: events and KPI tables."""

from typing import Any


def non_atomic_kpi_writes() -> None:
    """The rows of a KPI table are replaced in several commits."""
    from shopnow_spark import kpi_writer, refresh_kpis

    publish, failpoint = kpi_writer.publish, kpi_writer.failpoint

    def publish_in_steps(plan: Any, rows: Any, computed: Any, *, read_published: bool = True) -> Any:
        # A part of the rows is committed at both failpoints, the one before and the one after the commit.
        kpi_writer.failpoint = lambda point: None
        publish(plan, rows.slice(0, len(rows) // 2), computed)
        kpi_writer.failpoint = failpoint
        plan.table.update_incremental()
        publish(plan, rows.slice(0, len(rows) * 3 // 4), computed)
        plan.table.update_incremental()
        return publish(plan, rows, computed)

    refresh_kpis.publish = publish_in_steps


def events_dated_by_processing_time() -> None:
    """An event's date is the day on which it is processed, not the day of its event time."""
    from pyspark.sql import functions as F

    from shopnow_spark import events

    typed = events.parse_events
    events.parse_events = lambda raw, topic: typed(raw, topic).withColumn("event_date", F.current_date())


def failure_of_the_engine_ignored() -> None:
    """A run of small changes ends as if all was computed, although Sail has failed."""
    from shopnow_spark import small_changes

    refresh = small_changes.refresh
    small_changes.refresh = lambda *args: refresh(*args) or True


def rebuilds_always_commit() -> None:
    """A rebuilt day is always written, even if its digest is unchanged."""
    from shopnow_spark import rebuild

    digest, count = rebuild.digest, iter(range(10**6))
    rebuild.digest = lambda rows: digest(rows)._replace(first=next(count))
