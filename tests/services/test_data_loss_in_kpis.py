"""KPI rows tell whether records that they depend on are lost."""

import json
from datetime import UTC, datetime, timedelta

from deltalake import CommitProperties, write_deltalake

from factories import raw_tables as sample
from factories.events import sale
from shopnow.kpis import CUSTOMERS, FUNNEL, KPIS, SALES_DAILY, SALES_HOURLY
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.data_loss import LOSSES, Loss
from shopnow.schemas import RAW
from shopnow_spark import jobs
from support.kpi_assertions import fail_if_spark_starts, read

ONE_DAY_KPIS = {kpi.name for kpi in (SALES_HOURLY, SALES_DAILY)}
DAYS = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (1, 2)]


def acknowledge(lake: str, loss: Loss) -> None:
    """Record a loss as landing does after an acknowledgement."""
    times = {
        name: time and time.isoformat()
        for name, time in (("from_time", loss.from_time), ("to_time", loss.to_time))
    }
    metadata = json.dumps([{**loss._asdict(), **times, "id": loss.id}])
    raw = Table(lake, f"raw/{loss.topic}").open()
    write_deltalake(
        raw,
        RAW.empty_table(),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={LOSSES.key: metadata}),
    )


def test_a_loss_recomputes_the_rows_that_it_affects(local_lake, refresh):
    # The table was created before these columns.
    older = SALES_DAILY._replace(
        schema=SALES_DAILY.schema.remove(len(SALES_DAILY.schema) - 1).remove(len(SALES_DAILY.schema) - 2)
    )
    Table(local_lake, older.name).ensure(older.schema, older.partition_by)
    sample.land(local_lake, [event for day in DAYS for event in sale(day)])
    refresh(local_lake)
    assert {
        (row["missing_rows"], *row["losses"])
        for kpi in ONE_DAY_KPIS
        for row in read(local_lake, kpi).to_pylist()
    } == {(0,)}

    acknowledge(
        local_lake, Loss("orders", "id", 2, "expired", 10, 13, 3, DAYS[0], DAYS[0] + timedelta(hours=1))
    )
    results = refresh(local_lake)
    # Without views there are no sessions and so no funnel rows.
    assert set(results) == {kpi.name for kpi in KPIS if "orders" in kpi.topics} - {FUNNEL.name}
    assert {name: list(results[name].dates) for name in ONE_DAY_KPIS} == {
        name: ["2026-11-01"] for name in ONE_DAY_KPIS
    }
    assert list(results[CUSTOMERS.name].dates) == [
        "2026-11-01",
        "2026-11-02",
    ]  # who is new depends on all days before
    assert not any(result.restated for result in results.values())
    for kpi in ONE_DAY_KPIS:
        completeness = {
            row["date"]: (row["missing_rows"], row["losses"]) for row in read(local_lake, kpi).to_pylist()
        }
        assert completeness == {DAYS[0].date(): (3, ["orders/2/10-12"]), DAYS[1].date(): (0, [])}
    assert jobs.refresh(local_lake, fail_if_spark_starts) == []
