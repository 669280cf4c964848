"""A refresh with Sail computes small changes, and leaves all others to spark-submit."""

import shutil

import pytest

from factories import raw_tables, shop_events
from shopnow.events import TOPICS
from shopnow.lake.delta import tables
from shopnow.lake.delta.tables import Table
from shopnow_spark import refresh_events, small_changes


@pytest.fixture
def landed(local_lake):
    """A lake with the raw records of a few sessions."""
    raw_tables.land(local_lake, shop_events.events(shop_events.make_run(sessions=20, seed=1)))
    return local_lake


def test_a_backlog_is_left_to_spark_submit(landed, sail_url, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(refresh_events, "MAX_DECODED_RECORDS", 0)
        with caplog.at_level("INFO"):
            assert not small_changes.refresh(sail_url, landed)
    assert "too many new records" in caplog.text
    assert small_changes.refresh(sail_url, landed)
    assert Table(landed, "kpi/sales_daily").open().count() > 0


def test_without_an_engine_all_is_left_to_spark_submit(landed, caplog):
    assert not small_changes.refresh("sc://127.0.0.1:1", landed)
    assert "sc://127.0.0.1:1 failed, the rest is left to spark-submit" in caplog.text


@pytest.mark.parametrize(
    "limits", [{"MAX_DECODED_RECORDS": 0}, {"MAX_DECODED_RECORDS": 0, "MAX_APPEND_RECORDS": 0}]
)
def test_spark_parses_a_backlog_to_the_same_events(landed, tmp_path, spark, monkeypatch, limits):
    copy = f"file://{tmp_path}/copy"
    shutil.copytree(landed.removeprefix("file://"), tmp_path / "copy")
    refresh_events.refresh_events(landed, TOPICS["orders"], lambda: spark)
    for name, records in limits.items():
        monkeypatch.setattr(refresh_events, name, records)
    refreshed = refresh_events.refresh_events(copy, TOPICS["orders"], lambda: spark)
    assert refreshed.written > 0
    assert rows(copy) == rows(landed)


def rows(lake):
    table = tables.read(Table(lake, "events/orders").open())
    return table.sort_by([("source_partition", "ascending"), ("source_offset", "ascending")]).to_pylist()
