"""A refresh with Sail computes small changes, and leaves all others to spark-submit."""

import pytest

from factories import raw_tables, shop_events
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
