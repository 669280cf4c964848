"""Looking at the lake: which rows the figures are made of."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from factories import raw_tables
from factories.alert_factory import cover
from factories.sale import sale
from shopnow.alerts import collect, rules
from shopnow.alerts.metrics import FIGURES
from shopnow.lake.delta.tables import Table
from shopnow.lake.lineage import lineage

NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)
DAY = date(2026, 7, 2)


def test_a_look_at_an_empty_lake_sees_nothing(lake):
    assert collect.look(lake, rules.load(), NOW) == []


def test_a_table_without_a_column_that_is_needed_is_passed_over_and_named(lake, table, caplog):
    table("kpi/deliveries", [{"date": DAY, "overdue": 3}])
    assert collect.rows(lake, FIGURES["share_of_deliveries_overdue"]) == []
    assert "kpi/deliveries has no as_of, in_transit, pending" in caplog.text


def test_only_the_newest_days_are_read(lake, table):
    table("kpi/sales_hourly", [{"date": DAY - timedelta(days=day), "missing_rows": day} for day in range(3)])
    assert collect.rows(lake, FIGURES["missing_rows"]) == [{"date": DAY, "missing_rows": 0}]


def test_a_look_sees_what_every_table_shows(lake, table, stock):
    stock({"Mug": 0})
    table("kpi/stock_cover", [cover()])
    table("kpi/deliveries", [{"date": DAY, "as_of": NOW, "overdue": 30, "pending": 60, "in_transit": 40}])
    found = {seen.figure for seen in collect.look(lake, rules.load(), NOW)}
    assert found == {
        "stock_quantity",
        "share_of_lead_time",
        "share_of_reorder_point",
        "share_of_deliveries_overdue",
    }


def test_cover_is_that_of_what_is_on_hand_now(lake, table, stock):
    stock({"P-1": 9})
    table("kpi/stock_cover", [cover(quantity=30, days_of_cover=10.0), cover(product_id="p-2")])
    seen = {(each.figure, each.subject): each for each in collect.look(lake, rules.load(), NOW)}
    assert seen["share_of_reorder_point", "p-1"].value == 9 / 12
    assert seen["share_of_lead_time", "p-1"].facts == "9 left, enough for 3.0 days; a delivery takes 4.0"
    assert seen["share_of_reorder_point", "p-2"].value == 6 / 12


def waiting(lake: str) -> dict[str, datetime | None]:
    return {row["topic"]: row["since"] for row in collect.rows(lake, FIGURES["minutes_landed_unused"])}


def use(lake: str, topic: str) -> None:
    """Make the events of a topic, as far as their bookkeeping goes."""
    version = Table(lake, f"raw/{topic}").version()
    told = CommitProperties(custom_metadata={"userMetadata": lineage.describe({f"raw/{topic}": version})})
    write_deltalake(
        Table(lake, f"events/{topic}").uri, pa.table({"x": [1]}), mode="append", commit_properties=told
    )


def test_landed_records_wait_since_the_first_landing_that_no_event_was_made_from(lake):
    raw_tables.land(lake, sale(NOW))
    first = waiting(lake)
    assert set(first) == {"orders", "payments"}
    raw_tables.land(lake, sale(NOW))
    assert waiting(lake) == first
    use(lake, "orders")
    assert waiting(lake) == {**first, "orders": None}
    raw_tables.land(lake, sale(NOW))
    assert (waiting(lake)["orders"] or NOW) > (first["orders"] or NOW)
