"""Collecting observations: which rows of the lake the metrics are computed from."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from factories import raw_tables
from factories.alert_factory import cover
from factories.events import sale
from shopnow.alerts import collect, live_stock, rules
from shopnow.alerts.metrics import METRICS
from shopnow.errors import UserError
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage

NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)
DAY = date(2026, 7, 2)


def test_an_empty_lake_gives_no_observations(lake):
    assert collect.observe(lake, rules.load(), NOW) == ([], [])


def test_a_table_that_lacks_columns_is_skipped_and_logged(lake, table, caplog):
    table("kpi/deliveries", [{"date": DAY, "overdue": 3}])
    assert collect.read_rows(lake, METRICS["share_of_deliveries_overdue"]) == []
    assert "kpi/deliveries lacks columns as_of, in_transit, pending" in caplog.text


def test_only_the_newest_days_are_read(lake, table):
    table("kpi/sales_hourly", [{"date": DAY - timedelta(days=day), "missing_rows": day} for day in range(3)])
    assert collect.read_rows(lake, METRICS["missing_rows"]) == [{"date": DAY, "missing_rows": 0}]


def test_rows_of_the_future_are_not_the_newest():
    def payments(hour: datetime, failed: int) -> dict:
        return {"hour": hour, "currency": "EUR", "payments_failed": failed, "payments_succeeded": 1}

    metric = METRICS["share_of_payments_failed"]
    rows = [payments(NOW, 400), payments(datetime(2099, 1, 1, tzinfo=UTC), 0)]
    [observation] = metric.observe("share_of_payments_failed", collect.until(NOW, rows), NOW)
    assert observation.value > 0.9
    dates = [{"date": DAY}, {"date": DAY + timedelta(days=1)}, {"quantity": 1}]
    assert collect.until(NOW, dates) == [{"date": DAY}, {"quantity": 1}]


def test_every_table_gives_its_metrics(lake, table, stock):
    stock({"Mug": 0})
    table("kpi/stock_cover", [cover()])
    table("kpi/deliveries", [{"date": DAY, "as_of": NOW, "overdue": 30, "pending": 60, "in_transit": 40}])
    observed = {observation.metric for observation in collect.observe(lake, rules.load(), NOW).observations}
    assert observed == {
        "stock_quantity",
        "share_of_lead_time",
        "share_of_reorder_point",
        "share_of_deliveries_overdue",
    }


def test_cover_uses_the_current_stock(lake, table, stock):
    stock({"P-1": 9})
    table("kpi/stock_cover", [cover(quantity=30, days_of_cover=10.0), cover(product_id="p-2")])
    observed = collect.observe(lake, rules.load(), NOW).observations
    observations = {(item.metric, item.subject): item for item in observed}
    assert observations["share_of_reorder_point", "p-1"].value == 9 / 12
    assert (
        observations["share_of_lead_time", "p-1"].facts == "9 left, enough for 3.0 days; a delivery takes 4.0"
    )
    assert observations["share_of_reorder_point", "p-2"].value == 6 / 12


def test_a_failing_metric_blocks_no_other(lake, table, stock):
    stock({"Mug": 0})
    table("kpi/deliveries", [{"date": DAY, "as_of": NOW, "overdue": None, "pending": 6, "in_transit": 4}])
    table("kpi/sales_hourly", [{"date": DAY, "missing_rows": 3}])
    observations, failures = collect.observe(lake, rules.load(), NOW)
    assert {item.metric for item in observations} == {"stock_quantity", "missing_rows"}
    assert [failure.split(": ")[0] for failure in failures] == ["share_of_deliveries_overdue"]


def test_a_failing_product_blocks_no_other():
    bad = cover(product_id="p-2", reorder_point="many")
    metric = METRICS["share_of_reorder_point"]
    observed = collect.Observed([], [])
    collect._observe_rows(
        observed, "share_of_reorder_point", metric, [cover(), bad, cover(product_id="p-3")], NOW
    )
    assert [item.subject for item in observed.observations] == ["p-1", "p-3"]
    assert "share_of_reorder_point of 'p-2': TypeError" in observed.failures[0]


def test_without_kafka_all_rules_but_those_on_stock_are_evaluated(lake, table, monkeypatch):
    def fail(*args):
        raise UserError("Kafka does not answer")

    monkeypatch.setattr(live_stock, "current_levels", fail)
    table("kpi/sales_hourly", [{"date": DAY, "missing_rows": 3}])
    observations, failures = collect.observe(lake, rules.load(), NOW)
    assert [item.metric for item in observations] == ["missing_rows"]
    assert failures == ["stock levels: Kafka does not answer"]


def unprocessed_since(lake: str) -> dict[str, datetime | None]:
    return {row["topic"]: row["since"] for row in collect.read_rows(lake, METRICS["minutes_landed_unused"])}


def process(lake: str, topic: str) -> None:
    """Commit to the events table of a topic, with lineage but placeholder rows."""
    version = Table(lake, f"raw/{topic}").version()
    properties = CommitProperties(
        custom_metadata={"userMetadata": lineage.describe({f"raw/{topic}": version})}
    )
    write_deltalake(
        Table(lake, f"events/{topic}").uri, pa.table({"x": [1]}), mode="append", commit_properties=properties
    )


def test_unprocessed_records_count_from_the_first_landing_without_events(lake):
    raw_tables.land(lake, sale(NOW))
    first = unprocessed_since(lake)
    assert set(first) == {"orders", "payments"}
    raw_tables.land(lake, sale(NOW))
    assert unprocessed_since(lake) == first
    process(lake, "orders")
    assert unprocessed_since(lake) == {**first, "orders": None}
    raw_tables.land(lake, sale(NOW))
    assert (unprocessed_since(lake)["orders"] or NOW) > (first["orders"] or NOW)
