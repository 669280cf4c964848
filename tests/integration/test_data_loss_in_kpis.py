"""KPI rows say whether records they were to be made from are lost."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import CommitProperties, write_deltalake

from factories import raw_tables as sample
from factories.sale import sale
from shopnow.kpis import CUSTOMERS, FUNNEL, KPIS, SALES_DAILY, SALES_HOURLY
from shopnow.lake.delta.tables import Table
from shopnow.lake.ingest.data_loss import LOSSES, Loss
from shopnow.schemas import RAW
from shopnow_spark import jobs
from support.kpi_assertions import never, read

ONLY_THAT_DAY = {kpi.name for kpi in (SALES_HOURLY, SALES_DAILY)}
DAYS = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (1, 2)]


@pytest.fixture
def refresh(spark):
    return lambda lake: {each.table: each for each in jobs.refresh(lake, lambda: spark)}


def acknowledge(lake: str, loss: Loss) -> None:
    """What landing leaves when it was told to go on."""
    times = {
        name: time and time.isoformat()
        for name, time in (("from_time", loss.from_time), ("to_time", loss.to_time))
    }
    said = json.dumps([{**loss._asdict(), **times, "id": loss.id}])
    raw = Table(lake, f"raw/{loss.topic}").open()
    write_deltalake(
        raw,
        RAW.empty_table(),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={LOSSES.key: said}),
    )


def test_rows_are_computed_anew_when_a_loss_concerns_them(lake, refresh):
    # As they were before there were such columns.
    older = SALES_DAILY._replace(
        schema=SALES_DAILY.schema.remove(len(SALES_DAILY.schema) - 1).remove(len(SALES_DAILY.schema) - 2)
    )
    Table(lake, older.name).ensure(older.schema, older.partition_by)
    sample.land(lake, [event for day in DAYS for event in sale(day)])
    refresh(lake)
    assert {
        (row["missing_rows"], *row["losses"]) for kpi in ONLY_THAT_DAY for row in read(lake, kpi).to_pylist()
    } == {(0,)}

    acknowledge(lake, Loss("orders", "id", 2, "expired", 10, 13, 3, DAYS[0], DAYS[0] + timedelta(hours=1)))
    done = refresh(lake)
    # Without views no session began, so no row of the funnel is there that could be concerned.
    assert set(done) == {kpi.name for kpi in KPIS if "orders" in kpi.topics} - {FUNNEL.name}
    assert {name: list(done[name].dates) for name in ONLY_THAT_DAY} == {
        name: ["2026-11-01"] for name in ONLY_THAT_DAY
    }
    assert list(done[CUSTOMERS.name].dates) == [
        "2026-11-01",
        "2026-11-02",
    ]  # who is new depends on all days before
    assert not any(each.restated for each in done.values())
    for kpi in ONLY_THAT_DAY:
        found = {row["date"]: (row["missing_rows"], row["losses"]) for row in read(lake, kpi).to_pylist()}
        assert found == {DAYS[0].date(): (3, ["orders/2/10-12"]), DAYS[1].date(): (0, [])}
    assert jobs.refresh(lake, never) == []
